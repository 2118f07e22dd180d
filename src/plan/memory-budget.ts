// How much GPU memory a page may count on, where the platform is known to end tabs that take more.

/** The parts of `Navigator` that are looked at. */
export interface PlatformHints {
  userAgent?: string;
  maxTouchPoints?: number;
  /** GiB of memory, rounded and at most 8; only some browsers say it. */
  deviceMemory?: number;
}

/** iOS ends a tab near 1.5 GB, and the GPU's memory counts. */
const MOBILE_BUDGET = 1.1e9;
/** What `deviceMemory` says of a phone that has memory to spare. */
const AMPLE_GIB = 8;

/**
 * The budget for phones and tablets, in bytes; undefined where nothing is known. WebGPU does not say how much memory there
 * is, so this is a guess by the kind of device: a caution, no promise.
 */
export function defaultMemoryBudget(
  { userAgent = '', maxTouchPoints = 0, deviceMemory = 0 }: PlatformHints = globalThis.navigator ?? {},
): number | undefined {
  // iPads say that they are Macs, which have no touch screens.
  const isIos = /iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
  const isSmall = /Android|Mobile/.test(userAgent) && deviceMemory < AMPLE_GIB;
  return isIos || isSmall ? MOBILE_BUDGET : undefined;
}
