/** What a source sends in each frame: as many samples as an agent with all host measurements makes a second. */
export const MEASUREMENTS = [
  ...['cpu', 'mem', 'swap', 'disk', 'diskio', 'net', 'system', 'processes', 'kernel', 'netstat', 'sensors'],
] as const
export const FIELDS = ['used', 'free', 'total', 'rate', 'errors'] as const
