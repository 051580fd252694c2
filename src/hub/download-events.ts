/** What a download tells while it runs. Sizes in bytes. */
export type DownloadEvent =
  /** The files are known. `haveBytes` of `totalBytes` are there already, of finished and of partial files. */
  | {
      type: "plan";
      repository: string;
      commit: string;
      path: string;
      files: PlannedFile[];
      totalBytes: number;
      haveBytes: number;
    }
  /** Bytes of one file and of all have come: not for every packet. */
  | { type: "progress"; file: string; fileBytes: number; fileSize: number; bytes: number; totalBytes: number }
  /** A file is whole and verified. */
  | { type: "file"; file: string; size: number }
  /** Something failed that may pass; it is tried again after a wait. `file` is absent for a question to the Hub. */
  | { type: "retry"; file?: string; reason: string; waitMs: number }
  /** The repository has another name now; it is fetched all the same. */
  | { type: "renamed"; repository: string; to: string }
  /** Nothing to do: the model is there, at the revision's commit. */
  | { type: "up-to-date"; repository: string; commit: string; path: string }
  /** The model is there and left as it is, the Hub has a newer commit. */
  | { type: "update-available"; repository: string; commit: string; latest: string; path: string }
  /** The model is there; whether it is the newest isn't known, because the Hub wasn't or couldn't be asked. */
  | { type: "not-checked"; repository: string; commit: string; path: string; reason: string };

export interface PlannedFile {
  path: string;
  size: number;
  /** Bytes of it that needn't be fetched. */
  have: number;
}

export type OnProgress = (event: DownloadEvent) => void;
