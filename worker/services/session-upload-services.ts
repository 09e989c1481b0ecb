/** The use-cases of a training session's signed upload URLs. */
import type { TrainingSessionRecord } from "../domain/training-sessions";
import type { AnnouncedFile, SentFile, SessionUploadAnswer } from "./session-uploads";

export interface SessionUploadServices {
  /** Takes one file by PUT, or with `resumable` in pieces; good for an hour to begin with. */
  sessionUploadUrl(session: TrainingSessionRecord, resumable: boolean, origin: string): Promise<string>;
  /** Throws `conflict` when the URL has taken its file, `method_not_allowed` when it takes no pieces. */
  beginSessionUpload(token: string, file: AnnouncedFile): Promise<void>;
  /** Throws `conflict` with `facts.offset` for a piece that does not follow what has come. */
  receiveSessionUpload(token: string, sent: SentFile): Promise<SessionUploadAnswer>;
}
