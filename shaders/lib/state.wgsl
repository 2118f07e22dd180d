// The words that tell every kernel where a step stands. They live on the GPU, so that a step needs nothing from the CPU.

struct State {
  // Position of the first token of this dispatch in its sequence.
  position: u32,
  // Tokens in this dispatch: 1 in decode, up to the chunk length in prefill.
  count: u32,
  // Tokens sampled so far in this generation: the counter of the random numbers.
  step: u32,
  reserved: u32,
}
