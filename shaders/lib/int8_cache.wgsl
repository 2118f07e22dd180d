// One head's keys, or values, of one position as int8: codes with a scale that all of them share.
//   scale = max(max|v|, LEAST) / 127;  code = round(v / scale), of two the even one

import package::lib::dot::{pack_bytes, unpack_bytes};

// A head of zeros has a scale too, so that its codes are numbers: zeros.
const least = 1e-30;

fn code_scale(largest: f32) -> f32 { return max(largest, least) / 127.0; }

// Four codes in a word. No magnitude is more than 127 scales, but for what divisions round: nothing has to be clamped.
fn codes_of(v: vec4f, scale: f32) -> u32 { return pack_bytes(vec4i(round(v / scale))); }

// The codes of a word as floats, yet to be multiplied by their scale.
fn code_values(codes: u32) -> vec4f { return vec4f(unpack_bytes(codes)); }
