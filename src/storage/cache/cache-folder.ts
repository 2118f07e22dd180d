// What the cache asks of a file system: one folder, and files that are written at any place and flushed.

/** An open file. Writing methods throw where it was opened for reading, or there is no room. */
export interface StoredFile {
  readonly size: number;
  /** Reads `length` bytes at `at`; fewer where the file ends. The result is the caller's own. */
  read(at: number, length: number): Promise<Uint8Array>;
  write(at: number, bytes: Uint8Array): void;
  truncate(size: number): void;
  /** Once it returns, what was written survives a crash of the browser. */
  flush(): void;
  close(): void;
}

/** A folder of such files. */
export interface CacheFolder {
  /** Names of all files. */
  list(): Promise<string[]>;
  /** Opens a file for reading and writing, alone; it is made if it is not there. */
  open(name: string): Promise<StoredFile>;
  /** Opens a file for reading, with others; undefined if there is none. */
  openReadable(name: string): Promise<StoredFile | undefined>;
  /** Removes a file, if it is there. */
  remove(name: string): Promise<void>;
  /** Bytes that may still be stored, as far as is known. */
  freeBytes(): Promise<number>;
}
