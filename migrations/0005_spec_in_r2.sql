ALTER TABLE `jobs` ADD `spec_key` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `spec_sha256` text;