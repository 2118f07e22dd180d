// What many workgroups tell the one that chooses: how far the tokens are from the best one, and those that may come.

import package::lib::sampler::Best;

// Bins of |z|, the nearest first: 32 for each octave from 1/8, and one for what is nearer. A token that never comes is in none.
const BINS = 256u;

// The bits of |z| without those below the first five of its mantissa, for the octave from 1/8, less the bin of what is nearer.
const FIRST_OCTAVE = 3967u;

fn bin_of(z: f32) -> u32 {
  let steps = bitcast<u32>(abs(z)) >> 18u;
  return min(max(steps, FIRST_OCTAVE) - FIRST_OCTAVE, BINS - 1u);
}

// The smallest |z| of a bin.
fn nearest_of(bin: u32) -> f32 {
  return select(bitcast<f32>((bin + FIRST_OCTAVE) << 18u), 0.0, bin == 0u);
}

// Of PART tokens: Σ exp(z), and the token that is drawn of them, where none have to be left out.
struct Part {
  mass: f32,
  drawn: f32,
  token: u32,
}

struct Survey {
  // Candidates; more than there is room for if they are too many.
  count: atomic<u32>,
  // Whether candidates are all tokens that can ever come.
  complete: u32,
  best: Best,
  // Tokens in each bin.
  bins: array<atomic<u32>, BINS>,
  parts: array<Part>,
}
