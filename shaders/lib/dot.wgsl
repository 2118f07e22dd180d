// Products of four signed bytes at a time.

// Σ a[i]·b[i] over the four signed bytes of each word.
@if(packed_dot) fn dot4(a: u32, b: u32) -> i32 { return dot4I8Packed(a, b); }
@else fn dot4(a: u32, b: u32) -> i32 {
  let x = vec4i(i32(a << 24u), i32(a << 16u), i32(a << 8u), i32(a)) >> vec4u(24u);
  let y = vec4i(i32(b << 24u), i32(b << 16u), i32(b << 8u), i32(b)) >> vec4u(24u);
  return dot(x, y);
}

// Four integers of -128…127 as the signed bytes of a word, the first in the lowest byte.
fn pack_bytes(v: vec4i) -> u32 {
  let b = vec4u(v) & vec4u(0xffu);
  return b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
}
