DROP INDEX `engines_running`;--> statement-breakpoint
ALTER TABLE `engines` ADD `sweep_after_ms` integer;--> statement-breakpoint
CREATE INDEX `engines_to_sweep` ON `engines` (`sweep_after_ms`) WHERE sweep_after_ms IS NOT NULL;