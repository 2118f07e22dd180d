// Two f32 as the two f16 of a word, and back. They are rounded to nearest even: pack2x16float may round either way on some
// drivers, and keys and values that are rounded towards zero lean to one side.

fn pack_f16(v: vec2f) -> u32 {
  return round_f16(v.x) | (round_f16(v.y) << 16u);
}

// The two f16 of a word as f32, subnormal ones too: of these unpack2x16float may make zeros.
fn unpack_f16(word: u32) -> vec2f {
  let bits = vec2u(word, word >> 16u);
  let magnitude = bits & vec2u(0x7fffu);
  let normal = bitcast<vec2f>((magnitude << vec2u(13u)) + vec2u(0x38000000u));
  let value = select(normal, vec2f(magnitude) * 5.9604644775390625e-8, magnitude < vec2u(0x400u));
  return bitcast<vec2f>(bitcast<vec2u>(value) | ((bits & vec2u(0x8000u)) << vec2u(16u)));
}

// The values that pack_f16 keeps.
fn rounded_f16(v: vec2f) -> vec2f { return unpack2x16float(pack_f16(v)); }

fn round_f16(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  // Below 2^-14 the result is subnormal: a multiple of 2^-24, which adding 0.5 in f32 rounds to.
  if (magnitude < 0x38800000u) {
    return sign | (bitcast<u32>(bitcast<f32>(magnitude) + 0.5) - 0x3f000000u);
  }
  // Above 65504 f16 has no numbers; the largest one does less harm than infinity.
  if (magnitude > 0x477fe000u) { return sign | 0x7bffu; }
  let odd = (magnitude >> 13u) & 1u;
  return sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13u);
}
