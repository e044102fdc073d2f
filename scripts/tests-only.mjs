// Finds product code that only tests use: exported declarations and public class members that no product code names.
// knip cannot find it, because it counts uses by tests and ignores class members.
//
//   node scripts/tests-only.mjs [folder]
//
// The folder is the root of a project with the layout of this one; by default it is this project. Its
// scripts/tests-only.json lists exceptions: { "file name": "why" }. Prints all other findings, and exceptions that are
// no longer needed. Exits with 1 if there are any.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const PROJECTS = ['tsconfig.json', 'web/tsconfig.json', 'bench/page/tsconfig.json']
const PRODUCT = /^(cmd|internal|bench|web)\/.*(?<!\.(test|contract|bench|d))\.ts$/
/** JSON.stringify and string conversion call these. */
const CALLED_BY_THE_LANGUAGE = new Set(['toJSON', 'toString'])
/** Scripts run the built product, so they use it too. */
const FROM_DIST = /import \{([^}]*)\} from '[./]*dist\/(.*)\.js'/g

const root = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)))
const pathOf = (fileName) => relative(root, fileName)

/**
 * Declarations that product code names, each as `file:position`, because the three projects do not share their nodes.
 */
const used = new Set()
/** `file name` → where it is declared, and whether product code uses it. */
const declared = new Map()

for (const project of PROJECTS) {
  const file = join(root, project)
  if (existsSync(file)) inspect(file)
}
const scripts = usesOfScripts()
const allowed = readAllowed()
const found = [...declared].filter(([name, { isUsed }]) => !isUsed() && !scripts.has(name))
const problems = [
  ...found
    .filter(([name]) => !(name in allowed))
    .map(([name, { at }]) => `${at} ${name.split(' ')[1]} is used by no product code: remove it, or use it`),
  ...Object.keys(allowed)
    .filter((name) => !found.some(([other]) => other === name))
    .map((name) => `scripts/tests-only.json: "${name}" is not needed: it is gone, or product code uses it`),
]
for (const problem of problems.sort()) console.log(problem)
process.exitCode = problems.length > 0 ? 1 : 0

/** Notes what the product files of a project declare and use. */
function inspect(configFile) {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: ({ messageText }) => fail(messageText) }
  const { fileNames, options } = ts.getParsedCommandLineOfConfigFile(configFile, {}, host)
  const program = ts.createProgram(fileNames.filter(isProduct), { ...options, noEmit: true })
  const checker = program.getTypeChecker()
  const files = program.getSourceFiles().filter(({ fileName }) => isProduct(fileName))
  /** Property name → the interfaces and object types by which product code uses a property of that name. */
  const usedTypes = new Map()
  for (const file of files) noteUses(file, checker, usedTypes)
  for (const file of files) noteDeclarations(file, checker, usedTypes)
}

function isProduct(fileName) {
  return PRODUCT.test(pathOf(fileName))
}

function fail(message) {
  throw new Error(ts.flattenDiagnosticMessageText(message, '\n'))
}

function noteUses(file, checker, usedTypes) {
  const visit = (node) => {
    const symbol = usedSymbol(node, checker)
    for (const declaration of symbol?.declarations ?? []) {
      // A function that calls itself is not used for that.
      if (node.getSourceFile() === declaration.getSourceFile() && isInside(node, declaration)) continue
      used.add(placeOf(declaration))
      const owner = declaration.parent
      if (owner === undefined || !(ts.isInterfaceDeclaration(owner) || ts.isTypeLiteralNode(owner))) continue
      const types = usedTypes.get(symbol.name) ?? new Set()
      usedTypes.set(symbol.name, types.add(owner))
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
}

/** The symbol that a node uses; undefined if it uses none, or declares it. */
function usedSymbol(node, checker) {
  if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
    const name = node.propertyName ?? node.name
    return ts.isIdentifier(name) ? checker.getTypeAtLocation(node.parent).getProperty(name.text) : undefined
  }
  const isKey = ts.isStringLiteral(node) && ts.isElementAccessExpression(node.parent)
  if (!ts.isIdentifier(node) && !isKey) return undefined
  const { parent } = node
  if (ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent)) return undefined
  if (ts.isShorthandPropertyAssignment(parent))
    return aliased(checker.getShorthandAssignmentValueSymbol(parent), checker)
  if (parent.name === node && !ts.isPropertyAccessExpression(parent) && !ts.isMetaProperty(parent)) return undefined
  return aliased(checker.getSymbolAtLocation(node), checker)
}

function aliased(symbol, checker) {
  return symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

function noteDeclarations(file, checker, usedTypes) {
  for (const statement of file.statements) {
    if (ts.isClassDeclaration(statement)) noteMembers(statement, checker, usedTypes)
    if (!statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) continue
    const declarations = ts.isVariableStatement(statement) ? statement.declarationList.declarations : [statement]
    for (const declaration of declarations) {
      if (declaration.name === undefined || !ts.isIdentifier(declaration.name)) continue
      note(declaration, declaration.name.text, () => used.has(placeOf(declaration)))
    }
  }
}

function noteMembers(owner, checker, usedTypes) {
  for (const member of owner.members) {
    if (member.name === undefined || !ts.isIdentifier(member.name) || ts.isConstructorDeclaration(member)) continue
    const modifiers = ts.getCombinedModifierFlags(member)
    if (modifiers & (ts.ModifierFlags.NonPublicAccessibilityModifier | ts.ModifierFlags.Override)) continue
    const name = member.name.text
    if (CALLED_BY_THE_LANGUAGE.has(name)) continue
    const isUsed = () =>
      checker.getSymbolAtLocation(member.name).declarations.some((declaration) => used.has(placeOf(declaration))) ||
      isUsedByBase(owner, name, checker) ||
      isUsedByShape(owner, name, checker, usedTypes)
    note(member, `${owner.name?.text ?? 'class'}.${name}`, isUsed)
  }
}

/**
 * Whether it is used through a type that the class extends or implements. A member that a package declares counts as
 * used, because the package may call it.
 */
function isUsedByBase(owner, name, checker) {
  const bases = (owner.heritageClauses ?? []).flatMap(({ types }) =>
    types.map((type) => checker.getTypeAtLocation(type)),
  )
  const declarations = bases.flatMap((base) => base.getProperty(name)?.declarations ?? [])
  return declarations.some(
    (declaration) => used.has(placeOf(declaration)) || !isProduct(declaration.getSourceFile().fileName),
  )
}

/** Whether it is used through a type that the class matches without naming it. */
function isUsedByShape(owner, name, checker, usedTypes) {
  const type = checker.getTypeAtLocation(owner)
  return [...(usedTypes.get(name) ?? [])].some((shape) =>
    checker.isTypeAssignableTo(type, checker.getTypeAtLocation(shape)),
  )
}

function note(declaration, name, isUsed) {
  const file = declaration.getSourceFile()
  const path = pathOf(file.fileName)
  const line = file.getLineAndCharacterOfPosition(declaration.name.getStart()).line + 1
  const known = declared.get(`${path} ${name}`)
  declared.set(`${path} ${name}`, { at: `${path}:${line}`, isUsed: () => isUsed() || known?.isUsed() === true })
}

function placeOf(declaration) {
  return `${declaration.getSourceFile().fileName}:${declaration.pos}`
}

function isInside(node, declaration) {
  return node.pos >= declaration.pos && node.end <= declaration.end
}

/** The names that scripts import from dist/, and every member that such a script mentions. */
function usesOfScripts() {
  const folder = join(root, 'scripts')
  const names = new Set()
  if (!existsSync(folder)) return names
  for (const path of readdirSync(folder, { recursive: true }).filter(
    (name) => name.endsWith('.mjs') && !name.includes('node_modules'),
  )) {
    const text = readFileSync(join(folder, path), 'utf8')
    const imports = [...text.matchAll(FROM_DIST)]
    for (const [, list, file] of imports) for (const name of list.split(',')) names.add(`${file}.ts ${name.trim()}`)
    if (imports.length === 0) continue
    for (const name of declared.keys()) {
      const member = name.split('.').at(-1)
      if (/\w\.\w+$/.test(name.split(' ')[1]) && text.includes(`.${member}`)) names.add(name)
    }
  }
  return names
}

function readAllowed() {
  const file = join(root, 'scripts/tests-only.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
}
