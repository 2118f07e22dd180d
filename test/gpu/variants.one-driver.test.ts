// Every variant that the tuner can pick on this very adapter, pinned: golden logits and greedy answers do not depend on the choice. On
// lavapipe these are all that need eight lanes; the others are tested beside this, in variants.swiftshader.
import { probeCapabilities } from '../../src/gpu/capabilities';
import { candidates } from '../../src/inference/variants';
import { requestDevice } from '../support/dawn';
import { testEveryVariant } from '../support/every-variant';

const device = await requestDevice();
const capabilities = await probeCapabilities(device);
device.destroy();

testEveryVariant((shape, activations) => candidates(capabilities, shape, activations));
