// Words of four signed bytes: making them, taking them apart, and their products.

// Σ a[i]·b[i] over the four signed bytes of each word.
@if(packed_dot) fn dot4(a: u32, b: u32) -> i32 { return dot4I8Packed(a, b); }
@else fn dot4(a: u32, b: u32) -> i32 { return dot(unpack_bytes(a), unpack_bytes(b)); }

// The signed bytes of a word, the lowest first.
fn unpack_bytes(word: u32) -> vec4i {
  return vec4i(i32(word << 24u), i32(word << 16u), i32(word << 8u), i32(word)) >> vec4u(24u);
}

// Four integers of -128…127 as the signed bytes of a word, the first in the lowest byte.
fn pack_bytes(v: vec4i) -> u32 {
  let b = vec4u(v) & vec4u(0xffu);
  return b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
}
