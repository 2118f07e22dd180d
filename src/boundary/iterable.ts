// Streams for `for await`, also in browsers whose own streams are not made for it.

/** `stream`, which can be iterated. In Safari, up to version 26 at least, those of the browser cannot. */
export function iterable<Stream extends ReadableStream<unknown>>(stream: Stream): Stream {
  const isIterable: boolean = Symbol.asyncIterator in stream;
  return isIterable ? stream : Object.assign(stream, { [Symbol.asyncIterator]: () => chunksOf(stream) });
}

/** Leaving the loop cancels the stream, as it does where streams can be iterated by themselves. */
async function* chunksOf<Chunk>(stream: ReadableStream<Chunk>): AsyncGenerator<Chunk, void> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // A stream that has failed cannot be cancelled, and what is thrown is what it failed with.
    const cancelled = reader.cancel();
    reader.releaseLock();
    await cancelled;
  }
}
