CREATE TABLE `uploads` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`project_id` text NOT NULL,
	`purpose` text NOT NULL,
	`filename` text NOT NULL,
	`content_type` text,
	`size_bytes` integer,
	`sha256` text,
	`state` text NOT NULL,
	`r2_key` text NOT NULL,
	`created_at_ms` integer NOT NULL,
	`expires_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `uploads_by_account` ON `uploads` (`account_id`,`id`);--> statement-breakpoint
CREATE INDEX `uploads_open` ON `uploads` (`account_id`) WHERE state = 'open';--> statement-breakpoint
CREATE INDEX `uploads_expiring` ON `uploads` (`expires_at_ms`) WHERE state IN ('open', 'completed');