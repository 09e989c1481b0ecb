CREATE TABLE `begun_checkpoints` (
	`checkpoint_id` text PRIMARY KEY NOT NULL,
	`job_id` text NOT NULL,
	`prefix` text NOT NULL,
	`begun_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `begun_checkpoints_by_time` ON `begun_checkpoints` (`begun_at_ms`);--> statement-breakpoint
ALTER TABLE `checkpoints` ADD `verify_after_ms` integer;--> statement-breakpoint
CREATE INDEX `checkpoints_unverified` ON `checkpoints` (`verify_after_ms`) WHERE verify_after_ms IS NOT NULL;