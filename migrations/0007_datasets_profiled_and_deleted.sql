ALTER TABLE `checkpoints` ADD `results` text;--> statement-breakpoint
ALTER TABLE `datasets` ADD `file_name` text;--> statement-breakpoint
ALTER TABLE `datasets` ADD `profile` text;--> statement-breakpoint
ALTER TABLE `datasets` ADD `deleted_at_ms` integer;--> statement-breakpoint
CREATE INDEX `datasets_by_project` ON `datasets` (`account_id`,`project_id`,`id`);--> statement-breakpoint
CREATE INDEX `datasets_deleted` ON `datasets` (`deleted_at_ms`) WHERE deleted_at_ms IS NOT NULL;--> statement-breakpoint
ALTER TABLE `functions` ADD `deleted_at_ms` integer;--> statement-breakpoint
CREATE UNIQUE INDEX `functions_by_test_name` ON `functions` (`account_id`,`name`) WHERE format = 'test' AND deleted_at_ms IS NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `progress` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `deleted_at_ms` integer;--> statement-breakpoint
CREATE INDEX `jobs_by_name` ON `jobs` (`account_id`,`project_id`,`output_name`,`id`);--> statement-breakpoint
CREATE INDEX `jobs_by_dataset` ON `jobs` (`dataset_id`);--> statement-breakpoint
CREATE INDEX `jobs_deleted` ON `jobs` (`deleted_at_ms`) WHERE deleted_at_ms IS NOT NULL;--> statement-breakpoint
ALTER TABLE `projects` ADD `deleted_at_ms` integer;