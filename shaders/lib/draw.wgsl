// What the kernels that draw a token share: z = (logit − max) / temperature, keys that sort like z, and the noise of a draw.

import package::lib::sampler::FORBIDDEN;

// A token that a mask forbids has this z: out of reach, however high the temperature.
@if(masked) const HOPELESS = -10000.0;

// Noise lies between -2.82 and 22.88, and the best token has a z of 0: what is lower than this never comes.
const OUT_OF_REACH = -26.0;

// z of four tokens.
fn z_of(four: vec4f, top: f32, temperature: f32) -> vec4f {
  let z = (four - top) / temperature;
  @if(masked) return select(z, vec4f(HOPELESS), four <= vec4f(FORBIDDEN));
  @if(!masked) return z;
}

// A key that sorts like z ≤ 0 does: more negative, smaller. The sign is set as a bit, for a compiler that takes 0 and -0 for the
// same could give the best token, whose z is 0, either of two keys.
fn key_of(z: f32) -> u32 { return ~(bitcast<u32>(z) | 0x80000000u); }

// The smallest key that a token can come with, by all that needs no other tokens than the best.
fn least_key(min_p: f32) -> u32 {
  let reach = key_of(OUT_OF_REACH);
  if (min_p > 0.0) { return max(reach, key_of(min(log(min_p), 0.0))); }
  return reach;
}

// Three words to three well-mixed words (pcg3d, Jarzynski and Olano 2020, jcgt.org/published/0009/03/02).
fn pcg3d(v: vec3u) -> vec3u {
  var r = v * 1664525u + 1013904223u;
  r.x += r.y * r.z;
  r.y += r.z * r.x;
  r.z += r.x * r.y;
  r ^= r >> vec3u(16u);
  r.x += r.y * r.z;
  r.y += r.z * r.x;
  r.z += r.x * r.y;
  return r;
}

fn gumbel(seed: u32, step: u32, token: u32) -> f32 {
  // In (0, 1): all 32 bits count near 0, where the largest noise comes from, and 1 itself is out of reach.
  let v = min((f32(pcg3d(vec3u(seed, step, token)).x) + 0.5) / 4294967296.0, 0.99999994);
  // -log(1 - v), by its series where 1 - v has lost what v was.
  let series = v * (1.0 + v * (0.5 + v * (0.33333333 + v * 0.25)));
  return -log(select(-log(1.0 - v), series, v < 0.015625));
}
