// A generation as frames: plain data that crosses from worker to page, errors included, pull by pull.

import { TernionError } from '../errors';
import type { FittedPrompt } from '../engine/fit-prompt';
import type { GenerateChunk } from '../engine/types';
import {
  toFailure,
  type Frame,
  type FramePort,
  type PortReply,
  type PortRequest,
  type SessionState,
} from './protocol';

/** What an answer's frames say beside its chunks. */
export interface FrameSource {
  /** What the answer left behind. */
  state: () => SessionState;
  /** The answer's prompt, once it is known and until it was taken. */
  prompt: () => FittedPrompt | undefined;
  /** Called once, at the end. */
  onEnd: () => void;
}

/** The frames of `chunks`. Demand passes through: a chunk is asked for when a frame is. */
export function framesOf(
  chunks: ReadableStream<GenerateChunk>,
  { state, prompt, onEnd }: FrameSource,
): ReadableStream<Frame> {
  const reader = chunks.getReader();
  return new ReadableStream<Frame>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) {
            const begun = prompt();
            controller.enqueue({
              chunk: value,
              ...(value.finishReason && { state: state() }),
              ...(begun && { prompt: begun }),
            });
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

/**
 * Answers the requests of a port with `frames`, one for each pull. The first is made at once, as it is with a transferred
 * stream: the page has asked for the channel because somebody reads.
 */
export function serveFrames(frames: ReadableStream<Frame>, port: MessagePort): void {
  const reader = frames.getReader();
  let first: ReturnType<typeof reader.read> | undefined = reader.read();
  port.onmessage = async () => {
    const reading = first ?? reader.read();
    first = undefined;
    const { done, value } = await reading;
    const reply: PortReply = done ? 'end' : { frame: value };
    port.postMessage(reply);
    if (done) port.close();
  };
}

/** Reads the next frame, whichever way frames come; undefined at the end. */
export type ReadFrame = () => Promise<Frame | undefined>;

/** Reads frames through a port that `serveFrames` serves, one after the other. */
export function framesOfPort(port: FramePort): ReadFrame {
  return async () => {
    const reply = await new Promise<PortReply>((resolve, reject) => {
      port.onmessage = ({ data }: MessageEvent<PortReply>) => resolve(data);
      port.onmessageerror = () =>
        reject(new TernionError('internal', 'A chunk could not be read from its port.'));
      port.postMessage('pull' satisfies PortRequest);
    });
    const frame = reply === 'end' ? undefined : reply.frame;
    // Nothing is read behind a failure.
    if (!frame || 'failure' in frame) port.close();
    return frame;
  };
}

/** Reads frames of a transferred stream. */
export function framesOfStream(stream: ReadableStream<Frame>): ReadFrame {
  const reader = stream.getReader();
  return async () => (await reader.read()).value;
}
