import { headerSecret, onOff, secretFile, someOf, text } from '../setting.ts'

export const auth = {
  keysFile: text({
    default: ({ given }) => `${String(given('data.path') ?? './data').replace(/\/$/, '')}/keys.json`,
    defaultText: 'keys.json in data.path',
    description:
      'The file of the keys that "sentinel keys create" makes. Without a key the API, and the queue, answer this machine alone.',
  }),
  key: headerSecret({
    reloads: true,
    description: 'One more key, with every scope.',
    alsoFrom: ['API_KEY'],
  }),
  keyFile: secretFile('key', {
    reloads: true,
    description: 'A file that holds it.',
    alsoFrom: ['API_KEY_FILE'],
  }),
  serviceToken: headerSecret({
    reloads: true,
    description:
      'The token by which roles know each other: what an agent or a generator sends to a queue or an intake, and what opens the admin listener of another machine.',
    alsoFrom: ['SERVICE_TOKEN'],
  }),
  serviceTokenFile: secretFile('serviceToken', {
    reloads: true,
    description: 'A file that holds it.',
    alsoFrom: ['SERVICE_TOKEN_FILE'],
  }),
  public: someOf(['metrics', 'debug', 'telemetry', 'queue'], {
    reloads: true,
    description:
      'What is open to everybody, without a key: /metrics; /debug/ of the admin listener; reads of /telemetry/; all of the queue.',
  }),
  firstKey: onOff({
    default: false,
    duties: ['serve', 'queue'],
    description: 'Whether a start without any key makes one with every scope, and prints it, once.',
  }),
}
