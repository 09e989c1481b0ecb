CREATE TABLE `run_imports` (
	`first_run_id` text PRIMARY KEY NOT NULL,
	`last_run_id` text NOT NULL,
	`account_id` text NOT NULL,
	`project_id` text NOT NULL,
	`seen_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `run_imports_by_project` ON `run_imports` (`account_id`,`project_id`,`first_run_id`,`last_run_id`);--> statement-breakpoint
CREATE INDEX `run_imports_by_seen` ON `run_imports` (`seen_at_ms`);