// What both halves of log-probabilities are told.

// Tokens of the vocabulary, its slices, and how many of the likeliest are wanted, at most MOST.
struct Shape {
  vocabulary: u32,
  slices: u32,
  wanted: u32,
}
