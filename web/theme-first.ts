// Runs before the first paint, so that the page never flashes in the wrong theme. The script is a file of its own because the
// page allows no inline script.
import { applyTheme } from './shared/theme.ts'

applyTheme()
