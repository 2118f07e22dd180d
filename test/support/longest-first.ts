// The order of test files: those that take longest begin first, so that the workers end together.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take more than some five seconds, the longest first; measured on two cores with nothing in Mesa's cache. A file that is
 * not here, or at the wrong place, costs a little time and nothing else.
 */
const SLOW = [
  'unit/watchdog',
  'unit/storage/download',
  'unit/model/real-files',
  'unit/tools/fuzz',
  'unit/storage/cache',
  'unit/tokenizer/real-vocabularies',
  'unit/inference/plan',
  'unit/storage/memory',
  'unit/gpu/shader-templates',
  'unit/gpu/variant-race',
  'unit/grammar/json-schema',
  'unit/tabs/sharing',
  'unit/grammar/tool-grammar',
  'unit/tokenizer/json-spec',
  'unit/surfaces/connect',
  'unit/grammar/schema-libraries',
  'unit/inference/step-count',
  'unit/bench/generate-model',
  'gpu/variants',
  'e2e/engine',
  'gpu/shapes/many',
  'gpu/architectures',
  'gpu/kernels/ternary-matmul',
  'gpu/again',
  'gpu/shader',
  'e2e/storage',
  'e2e/demo-models',
  'e2e/demo-storage',
  'e2e/recovery',
  'e2e/policies',
  'e2e/shared',
  'gpu/kernels/attention',
  'gpu/kv-cache-int8',
  'e2e/worker',
  'e2e/tarball',
  'gpu/recovery',
  'gpu/session/logprobs',
  'gpu/memory',
  'gpu/kernels/sample-masked',
  'e2e/demo-conversation',
  'gpu/guided',
  'gpu/session/branching',
  'gpu/plan',
  'e2e/bench-page',
  'gpu/kernels/sample',
  'gpu/loading',
  'gpu/inspect',
  'e2e/demo-access',
  'e2e/package',
  'gpu/formats',
  'gpu/vocabulary-blocks',
  'e2e/demo-firefox',
  'gpu/golden',
  'gpu/shapes/greedy',
  'gpu/kernels/norm-matmul',
  'e2e/offline',
  'gpu/kernels/rms-norm-quantize',
  'e2e/shapes',
  'gpu/guided-recovery',
  'gpu/session/endings',
  'gpu/kernels/sample-candidates',
  'gpu/head-planes',
  'gpu/embedding',
  'gpu/soak',
  'e2e/demo-tokens',
  'e2e/demo-offline',
  'e2e/plan',
  'gpu/behind',
  'gpu/performance',
  'e2e/demo',
  'e2e/grammar',
  'gpu/suspension',
  'gpu/session/answers',
  'gpu/profile',
  'gpu/abort',
  'e2e/responsive',
  'gpu/session/sharing',
  'gpu/session/stopping',
  'gpu/kernels/lm-head-planes',
  'e2e/surfaces-sdk',
  'gpu/kernels/rope-append',
  'gpu/reload',
  'e2e/smoke',
];

/** The name of a test file, as in the list. */
function nameOf({ moduleId }: TestSpecification): string {
  return moduleId.replaceAll('\\', '/').replace(/^.*\/test\/|(\.one-driver|\.swiftshader)?\.test\.ts$/g, '');
}

/** Vitest's own order (by what the last run took here, or by size) for what is not in the list. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    const place = (file: TestSpecification): number => {
      const at = SLOW.indexOf(nameOf(file));
      return at < 0 ? SLOW.length : at;
    };
    return others.sort((a, b) => place(a) - place(b));
  }
}
