// A generation as frames: plain data that crosses from worker to page, errors included, pull by pull.

import { TernionError } from '../errors';
import type { GenerateChunk } from '../engine/types';
import { toFailure, type Frame, type PortReply, type PortRequest, type SessionState } from './protocol';

/** The frames of `chunks`. Demand passes through: a chunk is asked for when a frame is. `onEnd` is called once. */
export function framesOf(
  chunks: ReadableStream<GenerateChunk>,
  state: () => SessionState,
  onEnd: () => void,
): ReadableStream<Frame> {
  const reader = chunks.getReader();
  return new ReadableStream<Frame>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) {
            controller.enqueue(value.finishReason ? { chunk: value, state: state() } : { chunk: value });
            return;
          }
        } catch (error) {
          controller.enqueue({ failure: toFailure(error) });
        }
        controller.close();
        onEnd();
      },
      async cancel(reason) {
        await reader.cancel(reason);
        onEnd();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Answers the requests of a port with `frames`, one for each pull. */
export function serveFrames(frames: ReadableStream<Frame>, port: MessagePort): void {
  const reader = frames.getReader();
  port.onmessage = async ({ data }: MessageEvent<PortRequest>) => {
    let reply: PortReply = 'end';
    if (data === 'cancel') await reader.cancel();
    else {
      const { done, value } = await reader.read();
      if (!done) reply = { frame: value };
    }
    port.postMessage(reply);
    if (reply === 'end') port.close();
  };
}

/** Where the page reads frames from, whichever way they come. */
export interface FrameReader {
  /** The next frame, or undefined at the end. */
  read(): Promise<Frame | undefined>;
  /** Ends the generation; resolves when the worker has let go of it. */
  cancel(): Promise<void>;
}

/** Reads frames through a port that `serveFrames` serves. */
export function portReader(port: MessagePort): FrameReader {
  const ask = (request: PortRequest): Promise<PortReply> =>
    new Promise((resolve, reject) => {
      port.onmessage = ({ data }: MessageEvent<PortReply>) => resolve(data);
      port.onmessageerror = () =>
        reject(new TernionError('internal', 'A chunk could not be read from its port.'));
      port.postMessage(request);
    });
  return {
    async read() {
      const reply = await ask('pull');
      return reply === 'end' ? undefined : reply.frame;
    },
    async cancel() {
      await ask('cancel');
      port.close();
    },
  };
}

/** Reads frames of a transferred stream. */
export function streamReader(stream: ReadableStream<Frame>): FrameReader {
  const reader = stream.getReader();
  return {
    async read() {
      return (await reader.read()).value;
    },
    cancel: () => reader.cancel(),
  };
}
