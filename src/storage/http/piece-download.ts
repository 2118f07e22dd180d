// Which pieces of a file are fetched, when, and by how many requests at once.

import { TernionError, untilAborted } from '../../errors';
import type { NetworkPolicy } from './network';
import { PIECE_BYTES, pieceCount, pieceLength } from './pieces';
import type { RemoteFile } from './remote-file';
import type { Reply } from './request';

/** Who takes the pieces of a download. */
export interface DownloadHost {
  has(index: number): boolean;
  /** Takes over a piece that came. */
  arrived(index: number, bytes: Uint8Array): void;
  /** So many bytes of pieces that are not here yet came over the network. */
  received(bytes: number): void;
  /** The first piece that there is no room for now. When it moves, `hostMoved` has to be called. */
  windowEnd(): number;
}

/**
 * The download of one file. A server that sends parts gets several requests at once, each for a run of pieces. Of one
 * that only sends whole files one answer is read from front to back, and it pauses where nothing is wanted or there is no
 * room. In both cases nothing is fetched but what was demanded, until `prefetch` allows more.
 */
export class PieceDownload {
  readonly #controller = new AbortController();
  readonly #runs = new Set<Promise<void>>();
  /** Pieces that a request under way will bring. */
  readonly #coming = new Set<number>();
  readonly #count: number;
  /** What ended the download. */
  #failure: Error | undefined;
  /** Wakes those who wait for the next change: a piece came, there is room, the download failed. */
  readonly #waiting: (() => void)[] = [];
  // Pieces from #next to #end may be fetched ahead.
  #next = 0;
  #end = 0;
  /** While a whole file is being read: the piece that comes next, and the piece before which somebody waits for all. */
  #stream: { at: number; goal: number } | undefined;

  /** `reply` is an answer that has the first piece, or the whole file if the server sends no parts. */
  constructor(
    private readonly remote: RemoteFile,
    private readonly host: DownloadHost,
    private readonly policy: NetworkPolicy,
    reply: Reply | undefined,
  ) {
    this.#count = pieceCount(remote.validators.size);
    if (reply) this.#start(0, 1, reply);
  }

  /** Fetches piece `index`, if it is not here or coming, and waits for it. Rejects with what ended the download. */
  async need(index: number, signal?: AbortSignal): Promise<void> {
    while (!this.host.has(index)) {
      this.demand(index, index + 1);
      await untilAborted(this.#change(), signal);
    }
  }

  /** Fetches the pieces from `first` up to `end` that are not here or coming. */
  demand(first: number, end: number): void {
    for (let index = first; index < end; index++) {
      if (!this.#isMissing(index)) continue;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#stream && index >= this.#stream.at && index < this.host.windowEnd()) {
        this.#stream.goal = Math.max(this.#stream.goal, index + 1);
        this.#notify();
        continue;
      }
      let stop = index + 1;
      while (stop < end && this.#isMissing(stop)) stop++;
      this.#start(index, stop);
    }
  }

  /** From now on fetches the pieces from `first` up to `end` ahead, as far as there is room. */
  prefetch(first: number, end: number): void {
    this.#next = first;
    this.#end = end;
    this.hostMoved();
  }

  /** There may be more room now. */
  hostMoved(): void {
    this.#notify();
    this.#fetchAhead();
  }

  /** Ends all requests, and resolves when nothing will arrive any more. */
  async stop(): Promise<void> {
    this.#fail(new TernionError('aborted', 'The download was ended.'));
    await Promise.all(this.#runs);
  }

  #isMissing(index: number): boolean {
    return !this.host.has(index) && !this.#coming.has(index);
  }

  #fetchAhead(): void {
    const { connections, runPieces, windowPieces } = this.policy;
    const inMemory = Number.isFinite(this.host.windowEnd());
    // In memory, runs are so short that several are in flight while the reader works on what came before.
    const run = inMemory
      ? Math.max(1, Math.min(runPieces, Math.floor(windowPieces / (connections + 2))))
      : runPieces;
    while (this.#runs.size < connections && this.#failure === undefined) {
      while (this.#next < this.#end && !this.#isMissing(this.#next)) this.#next++;
      // While a whole file is being read, its one request brings all that is wanted.
      if (this.#next >= this.#end || this.#stream) return;
      // A run waits until there is room for all of it: requests for single pieces would be slow.
      if (Math.min(this.#next + run, this.#end) > this.host.windowEnd()) return;
      let stop = this.#next + 1;
      while (stop < this.#end && stop - this.#next < run && this.#isMissing(stop)) stop++;
      this.#start(this.#next, stop);
    }
  }

  #start(first: number, end: number, reply?: Reply): void {
    const reads =
      this.remote.ranges || this.#stream ? this.#part(first, end, reply) : this.#whole(first, end, reply);
    const run = reads
      .catch((error: Error) => this.#fail(error))
      .finally(() => {
        this.#runs.delete(run);
        this.hostMoved();
      });
    this.#runs.add(run);
  }

  /** Fetches the pieces from `first` up to `end` with one request. */
  async #part(first: number, end: number, reply: Reply | undefined): Promise<void> {
    for (let index = first; index < end; index++) this.#coming.add(index);
    try {
      await this.#fetch(first, end, reply, (index) => this.#coming.delete(index));
    } finally {
      for (let index = first; index < end; index++) this.#coming.delete(index);
    }
  }

  /** Reads the file from piece `first` to its end, pausing as needed. */
  async #whole(first: number, goal: number, reply: Reply | undefined): Promise<void> {
    const stream = (this.#stream = { at: first, goal });
    const mayGoOn = (): boolean =>
      stream.at < stream.goal || stream.at < Math.min(this.#end, this.host.windowEnd());
    try {
      await this.#fetch(first, this.#count, reply, async (index) => {
        stream.at = index + 1;
        // What went by is not fetched ahead again, though memory may have let go of it.
        this.#next = Math.max(this.#next, stream.at);
        this.#notify();
        while (stream.at < this.#count && !mayGoOn()) await this.#pause();
      });
    } finally {
      this.#stream = undefined;
    }
  }

  async #fetch(
    first: number,
    end: number,
    reply: Reply | undefined,
    onPiece: (index: number) => unknown,
  ): Promise<void> {
    const { size } = this.remote.validators;
    const { signal } = this.#controller;
    let index = first;
    let piece = new Uint8Array(pieceLength(size, index));
    let filled = 0;
    const to = Math.min(end * PIECE_BYTES, size);
    for await (const chunk of this.remote.bytes(first * PIECE_BYTES, to, signal, reply)) {
      for (let rest = chunk; rest.length > 0;) {
        const part = rest.subarray(0, piece.length - filled);
        piece.set(part, filled);
        filled += part.length;
        rest = rest.subarray(part.length);
        if (!this.host.has(index)) this.host.received(part.length);
        if (filled < piece.length) continue;
        signal.throwIfAborted();
        if (!this.host.has(index)) this.host.arrived(index, piece);
        this.#notify();
        await onPiece(index);
        index++;
        filled = 0;
        if (index < end) piece = new Uint8Array(pieceLength(size, index));
      }
    }
  }

  async #pause(): Promise<void> {
    await this.#change();
    this.#controller.signal.throwIfAborted();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#controller.abort(this.#failure);
    this.#notify();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #notify(): void {
    for (const goOn of this.#waiting.splice(0)) goOn();
  }
}
