// Types of packed.mjs, which is plain JavaScript so that Node runs it as it is.

/** The folder of package.json. */
export const ROOT: string;

/**
 * A folder with a package.json and Ternion in its node_modules, which whoever asked for it removes: its path, and that of the
 * tarball beside it. `packages` of the repository are there too, by their names. `source` is the folder that is packed, with what
 * was built in `dist`; default: the repository.
 */
export function installPacked(
  packages?: readonly string[],
  source?: string,
): { folder: string; tarball: string };
