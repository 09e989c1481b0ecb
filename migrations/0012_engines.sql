CREATE TABLE `deployments` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`project_id` text NOT NULL,
	`engine_id` text NOT NULL,
	`name` text NOT NULL,
	`description` text,
	`origin` text NOT NULL,
	`task_type` text NOT NULL,
	`model` text NOT NULL,
	`base_model` text NOT NULL,
	`job_id` text,
	`checkpoint` integer NOT NULL,
	`checkpoint_id` text,
	`labels` text,
	`state` text NOT NULL,
	`error` text,
	`ready_run` integer NOT NULL,
	`ready_at_ms` integer,
	`created_at_ms` integer NOT NULL,
	`updated_at_ms` integer NOT NULL,
	`stopped_at_ms` integer,
	`deleted_at_ms` integer
);
--> statement-breakpoint
CREATE INDEX `deployments_by_account` ON `deployments` (`account_id`,`id`);--> statement-breakpoint
CREATE INDEX `deployments_by_project` ON `deployments` (`account_id`,`project_id`,`id`);--> statement-breakpoint
CREATE INDEX `deployments_by_engine` ON `deployments` (`engine_id`,`id`);--> statement-breakpoint
CREATE INDEX `deployments_by_job` ON `deployments` (`job_id`);--> statement-breakpoint
CREATE UNIQUE INDEX `deployments_by_name` ON `deployments` (`account_id`,`name`) WHERE state <> 'terminated' AND deleted_at_ms IS NULL;--> statement-breakpoint
CREATE TABLE `engines` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`base_model` text NOT NULL,
	`base` text NOT NULL,
	`task_type` text NOT NULL,
	`gpu` text NOT NULL,
	`provider` text,
	`management` text NOT NULL,
	`replicas` integer NOT NULL,
	`is_serverless` integer NOT NULL,
	`status` text NOT NULL,
	`run` integer NOT NULL,
	`task_ids` text NOT NULL,
	`problem` text,
	`version` integer NOT NULL,
	`last_access_at_ms` integer NOT NULL,
	`created_at_ms` integer NOT NULL,
	`updated_at_ms` integer NOT NULL,
	`active_since_ms` integer,
	`deactivated_at_ms` integer,
	`deleted_at_ms` integer
);
--> statement-breakpoint
CREATE INDEX `engines_by_account` ON `engines` (`account_id`,`id`);--> statement-breakpoint
CREATE INDEX `engines_by_project` ON `engines` (`account_id`,`project_id`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `engines_by_name` ON `engines` (`account_id`,`name`) WHERE deleted_at_ms IS NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `engines_serverless` ON `engines` (`account_id`,`base_model`) WHERE is_serverless = 1 AND deleted_at_ms IS NULL;--> statement-breakpoint
CREATE INDEX `engines_running` ON `engines` (`updated_at_ms`) WHERE status <> 'inactive';--> statement-breakpoint
ALTER TABLE `idle_agents` ADD `serve_bytes` integer;--> statement-breakpoint
ALTER TABLE `tasks` ADD `serve_bytes` integer;