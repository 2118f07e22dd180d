// Every variant that the tuner can pick on adapters without subgroups or with small ones, pinned: golden logits and greedy answers do
// not depend on the choice. On SwiftShader, which compiles most of them several times faster than lavapipe does.
import type { Capabilities } from '../../src/gpu/capabilities';
import { candidates } from '../../src/inference/variants';
import { requestDevice } from '../support/dawn';
import { joined, testEveryVariant, type ListVariants } from '../support/every-variant';

const device = await requestDevice();
const lanes = device.adapterInfo.subgroupMaxSize ?? 0;
device.destroy();

const without: Capabilities = {
  subgroups: false,
  subgroupMinSize: 0,
  subgroupMaxSize: 0,
  shaderF16: false,
  packedDot: true,
  timestamps: false,
  vendor: 'unknown',
};
const software = (size: number): Capabilities => {
  return { ...without, subgroups: true, subgroupMinSize: size, subgroupMaxSize: size };
};

/** Those of GPUs, and of software adapters with subgroups of 4 and of 8 lanes, but for what needs more lanes than there are here. */
const everyVariant: ListVariants = (shape, activations) => {
  const adapters = [without, ...(lanes > 0 ? [software(4), software(8)] : [])];
  const all = joined(adapters.map((capabilities) => candidates(capabilities, shape, activations)));
  const fits = all.attention.filter((variant) => variant.kind === 'workgroup' || variant.lanes <= lanes);
  return { ...all, attention: fits };
};

testEveryVariant(everyVariant);
