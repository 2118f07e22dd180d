// Int8 numbers in two planes, w = 17·h + d + l: what src/formats/planes.ts says, undone.

import package::lib::dot::{pack_bytes, unpack_bytes};

const PLANE_STEP = 17;

// d of a column, -8…8: MurmurHash3's last step, as in ditherOf.
fn dither_of(column: u32) -> i32 {
  var x = (column + 1u) * 0x9e3779b1u;
  x = (x ^ (x >> 16u)) * 0x85ebca6bu;
  x = (x ^ (x >> 13u)) * 0xc2b2ae35u;
  return i32((x ^ (x >> 16u)) % 17u) - 8;
}

// Of four columns.
fn dithers_of(column: u32) -> vec4i {
  return vec4i(dither_of(column), dither_of(column + 1u), dither_of(column + 2u), dither_of(column + 3u));
}

// The number that l of four columns are, and back.
fn number_of_parts(l: vec4u) -> u32 { return l.x + 17u * (l.y + 17u * (l.z + 17u * l.w)); }

fn parts_of(number: u32) -> vec4i {
  let a = number / 17u;
  let b = a / 17u;
  let c = b / 17u;
  return vec4i(vec4u(number - 17u * a, a - 17u * b, b - 17u * c, c));
}

// 16·h of the sixteen columns of an even and an odd chunk, as signed bytes.
fn even_chunk(plane: vec4u) -> vec4u { return (plane << vec4u(4u)) & vec4u(0xf0f0f0f0u); }

fn odd_chunk(plane: vec4u) -> vec4u { return plane & vec4u(0xf0f0f0f0u); }

// w of four columns from a word of 16·h, the number of their l, and d.
fn four_of(upper: u32, number: u32, dithers: vec4i) -> vec4i {
  return (unpack_bytes(upper) >> vec4u(4u)) * PLANE_STEP + dithers + parts_of(number);
}
