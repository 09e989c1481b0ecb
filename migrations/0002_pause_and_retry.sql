ALTER TABLE `jobs` ADD `pause_requested_at_ms` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `retry_of` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `start_job_id` text;