// Whether a float is a number.

// By its bits: compilers may take it that floats are finite.
fn is_finite(value: f32) -> bool { return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u; }
