ALTER TABLE `jobs` ADD `held_ms` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `held_since_ms` integer;