// Runs before the first paint, so that a remembered theme does not flash in the other one. A file of its own, since the page
// allows no inline script.
import { applyTheme } from './shared/theme.ts'

applyTheme()
