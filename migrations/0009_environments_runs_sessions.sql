CREATE TABLE `environments` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`name` text NOT NULL,
	`provider` text NOT NULL,
	`description` text,
	`endpoint_url` text,
	`default_model` text,
	`enabled_models` text NOT NULL,
	`api_key_sealed` text,
	`api_key_hint` text,
	`config` text NOT NULL,
	`settings` text,
	`allowed_projects` text NOT NULL,
	`created_by` text NOT NULL,
	`updated_by` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`updated_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `environments_by_account` ON `environments` (`account_id`,`id`);--> statement-breakpoint
CREATE TABLE `module_sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`project_id` text NOT NULL,
	`config` text NOT NULL,
	`train_dataset_id` text,
	`test_dataset_id` text,
	`preprocess_job_id` text,
	`train_job_id` text,
	`import_job_id` text,
	`imported_model` text,
	`version` integer NOT NULL,
	`created_at_ms` integer NOT NULL,
	`ended_at_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `module_sessions_active` ON `module_sessions` (`account_id`) WHERE ended_at_ms IS NULL;--> statement-breakpoint
CREATE TABLE `run_tags` (
	`project_id` text NOT NULL,
	`tag` text NOT NULL,
	`run_id` text NOT NULL,
	PRIMARY KEY(`project_id`, `tag`, `run_id`)
);
--> statement-breakpoint
CREATE TABLE `runs` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`project_id` text NOT NULL,
	`interaction` text NOT NULL,
	`status` text NOT NULL,
	`environment_id` text,
	`model` text,
	`tags` text NOT NULL,
	`parent_id` text,
	`has_result` integer NOT NULL,
	`token_use` text,
	`execution_time_ms` real,
	`finish_reason` text,
	`created_by` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`updated_at_ms` integer NOT NULL,
	`body_bytes` integer NOT NULL,
	`body` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `runs_by_project` ON `runs` (`account_id`,`project_id`,`id`);--> statement-breakpoint
CREATE INDEX `runs_by_interaction` ON `runs` (`account_id`,`project_id`,`interaction`,`id`);--> statement-breakpoint
CREATE INDEX `runs_by_model` ON `runs` (`account_id`,`project_id`,`model`,`id`);--> statement-breakpoint
CREATE INDEX `runs_by_environment` ON `runs` (`account_id`,`project_id`,`environment_id`,`id`);--> statement-breakpoint
CREATE INDEX `runs_by_parent` ON `runs` (`account_id`,`project_id`,`parent_id`,`id`);--> statement-breakpoint
CREATE TABLE `signing_keys` (
	`kid` text PRIMARY KEY NOT NULL,
	`public_jwk` text NOT NULL,
	`private_sealed` text NOT NULL,
	`created_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `training_session_runs` (
	`session_id` text NOT NULL,
	`run_id` text NOT NULL,
	`n` integer NOT NULL,
	PRIMARY KEY(`session_id`, `run_id`)
);
--> statement-breakpoint
CREATE INDEX `training_session_runs_in_order` ON `training_session_runs` (`session_id`,`n`);--> statement-breakpoint
CREATE TABLE `training_sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`environment_id` text NOT NULL,
	`model` text NOT NULL,
	`built_dataset_id` text,
	`dataset_id` text,
	`building_since_ms` integer,
	`built_rows` integer,
	`skipped_runs` integer,
	`job_id` text,
	`created_by` text NOT NULL,
	`updated_by` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`updated_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `training_sessions_by_project` ON `training_sessions` (`account_id`,`project_id`,`id`);--> statement-breakpoint
CREATE INDEX `training_sessions_by_job` ON `training_sessions` (`job_id`);--> statement-breakpoint
ALTER TABLE `projects` ADD `description` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `configuration` text;--> statement-breakpoint
ALTER TABLE `projects` ADD `updated_at_ms` integer;--> statement-breakpoint
CREATE INDEX `datasets_by_name` ON `datasets` (`account_id`,`project_id`,`name`,`id`);