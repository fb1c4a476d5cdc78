/** What the kernel says of a container's share, as files below /sys/fs/cgroup; undefined: there is no such file. */
export type ReadLimit = (file: string) => string | undefined

/**
 * Processors that this process may use, in fractions: those it may run on, or less, where a container was given less of
 * their time (https://docs.kernel.org/admin-guide/cgroup-v2.html, cpu.max; cgroup v1, cpu.cfs_quota_us).
 * @param parallelism those it may run on
 */
export function processors(parallelism: number, read: ReadLimit): number {
  const [quota, period] = read('cpu.max')?.trim().split(' ') ?? [
    read('cpu/cpu.cfs_quota_us')?.trim(),
    read('cpu/cpu.cfs_period_us')?.trim(),
  ]
  const share = Number(quota) / Number(period)
  // 'max' and -1 are no limit.
  return share > 0 ? Math.min(parallelism, share) : parallelism
}
