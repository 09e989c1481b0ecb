ALTER TABLE `projects` ADD `namespace` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `created_by` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `updated_by` text;