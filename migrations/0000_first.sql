CREATE TABLE `accounts` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`created_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `agents` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text,
	`token_id` text NOT NULL,
	`nonce` text NOT NULL,
	`name` text NOT NULL,
	`info` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`revoked_at_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `agents_by_token` ON `agents` (`token_id`,`nonce`);--> statement-breakpoint
CREATE INDEX `agents_by_account` ON `agents` (`account_id`,`id`);--> statement-breakpoint
CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`prefix` text NOT NULL,
	`sha256` text NOT NULL,
	`scopes` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`last_used_at_ms` integer,
	`revoked_at_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_by_sha256` ON `api_keys` (`sha256`);--> statement-breakpoint
CREATE INDEX `api_keys_by_account` ON `api_keys` (`account_id`,`id`);--> statement-breakpoint
CREATE TABLE `bootstrap_tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text,
	`sha256` text NOT NULL,
	`reusable` integer NOT NULL,
	`nonce` text,
	`agent_id` text,
	`created_at_ms` integer NOT NULL,
	`expires_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `bootstrap_tokens_by_sha256` ON `bootstrap_tokens` (`sha256`);--> statement-breakpoint
CREATE INDEX `bootstrap_tokens_by_account` ON `bootstrap_tokens` (`account_id`,`id`);--> statement-breakpoint
CREATE TABLE `checkpoints` (
	`id` text PRIMARY KEY NOT NULL,
	`job_id` text NOT NULL,
	`account_id` text NOT NULL,
	`attempt` integer NOT NULL,
	`kind` text NOT NULL,
	`step` integer NOT NULL,
	`epoch` real NOT NULL,
	`ordinal` integer,
	`manifest_key` text NOT NULL,
	`manifest_sha256` text NOT NULL,
	`model_sha256` text,
	`model_key` text,
	`model_size_bytes` integer,
	`size_bytes` integer NOT NULL,
	`state` text NOT NULL,
	`created_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `checkpoints_by_job` ON `checkpoints` (`job_id`,`id`);--> statement-breakpoint
CREATE INDEX `checkpoints_by_kind` ON `checkpoints` (`job_id`,`kind`,`step`);--> statement-breakpoint
CREATE UNIQUE INDEX `checkpoints_by_ordinal` ON `checkpoints` (`job_id`,`ordinal`);--> statement-breakpoint
CREATE TABLE `datasets` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`source_type` text NOT NULL,
	`format` text NOT NULL,
	`columns` text NOT NULL,
	`num_rows` integer NOT NULL,
	`size_bytes` integer NOT NULL,
	`sha256` text NOT NULL,
	`r2_key` text NOT NULL,
	`created_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `datasets_by_account` ON `datasets` (`account_id`,`id`);--> statement-breakpoint
CREATE TABLE `functions` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`format` text NOT NULL,
	`size_bytes` integer NOT NULL,
	`sha256` text NOT NULL,
	`r2_key` text NOT NULL,
	`created_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `functions_by_account` ON `functions` (`account_id`,`id`);--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`account_id` text NOT NULL,
	`route` text NOT NULL,
	`key` text NOT NULL,
	`request_sha256` text NOT NULL,
	`resource_id` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	PRIMARY KEY(`account_id`, `route`, `key`)
);
--> statement-breakpoint
CREATE TABLE `idle_agents` (
	`agent_id` text NOT NULL,
	`slot_id` text NOT NULL,
	`account_id` text,
	`gpu_type` text,
	`gpu_count` integer NOT NULL,
	`since_ms` integer NOT NULL,
	PRIMARY KEY(`agent_id`, `slot_id`)
);
--> statement-breakpoint
CREATE INDEX `idle_agents_by_account` ON `idle_agents` (`account_id`,`since_ms`);--> statement-breakpoint
CREATE TABLE `job_events` (
	`job_id` text NOT NULL,
	`version` integer NOT NULL,
	`seq` integer NOT NULL,
	`tid` text NOT NULL,
	`type` text NOT NULL,
	`metadata` text NOT NULL,
	`at_ms` integer NOT NULL,
	PRIMARY KEY(`job_id`, `version`, `seq`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `job_events_by_tid` ON `job_events` (`tid`,`seq`);--> statement-breakpoint
CREATE TABLE `jobs` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`project_id` text NOT NULL,
	`method` text NOT NULL,
	`status` text NOT NULL,
	`reason` text,
	`reason_message` text,
	`log_tail` text NOT NULL,
	`base_model` text NOT NULL,
	`base_model_ref` text NOT NULL,
	`dataset_id` text NOT NULL,
	`output_name` text NOT NULL,
	`spec` text NOT NULL,
	`provider` text,
	`gpu_type` text,
	`gpu_count` integer,
	`version` integer NOT NULL,
	`last_tid` text,
	`lost_in_a_row` integer NOT NULL,
	`final_checkpoint_id` text,
	`created_at_ms` integer NOT NULL,
	`updated_at_ms` integer NOT NULL,
	`started_at_ms` integer,
	`completed_at_ms` integer,
	`ticked_at_ms` integer NOT NULL,
	`seen_at_ms` integer
);
--> statement-breakpoint
CREATE INDEX `jobs_by_account` ON `jobs` (`account_id`,`id`);--> statement-breakpoint
CREATE INDEX `jobs_by_account_status` ON `jobs` (`account_id`,`status`,`id`);--> statement-breakpoint
CREATE INDEX `jobs_by_account_method` ON `jobs` (`account_id`,`method`,`id`);--> statement-breakpoint
CREATE INDEX `jobs_by_project` ON `jobs` (`account_id`,`project_id`,`id`);--> statement-breakpoint
CREATE INDEX `jobs_queued` ON `jobs` (`ticked_at_ms`) WHERE status = 'queued';--> statement-breakpoint
CREATE INDEX `jobs_live` ON `jobs` (`seen_at_ms`) WHERE status IN ('provisioning', 'running', 'testing');--> statement-breakpoint
CREATE TABLE `projects` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`name` text NOT NULL,
	`created_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `projects_by_account` ON `projects` (`account_id`,`id`);--> statement-breakpoint
CREATE TABLE `tasks` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`job_id` text NOT NULL,
	`account_id` text NOT NULL,
	`state` text NOT NULL,
	`epoch` integer NOT NULL,
	`attempt` integer NOT NULL,
	`agent_id` text,
	`gpu_type` text NOT NULL,
	`gpu_count` integer NOT NULL,
	`provider` text
);
--> statement-breakpoint
CREATE INDEX `tasks_queued_by_account` ON `tasks` (`account_id`,`id`) WHERE state = 'queued';--> statement-breakpoint
CREATE INDEX `tasks_queued` ON `tasks` (`id`) WHERE state = 'queued';