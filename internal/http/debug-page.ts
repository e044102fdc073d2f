/**
 * The page at `/debug/pprof/`.
 *
 * @param host the address of the request, for the commands on the page. The doorkeeper lets only known names pass
 */
export function debugPage(
  { name, version }: { readonly name: string; readonly version: string },
  host: string,
): string {
  const base = `http://${host}/debug/pprof`
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Profiles of ${name}</title>
<style>
  :root { color-scheme: light dark; --line: #8886; --soft: #8882; --link: light-dark(#0550ae, #79b8ff) }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
  h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
  dt { margin-top: 1rem } dd { margin: .2rem 0 0 0 }
  code, pre { font: .875rem/1.5 ui-monospace, monospace } code { white-space: nowrap }
  pre { background: var(--soft); border: 1px solid var(--line); border-radius: 4px; padding: .7rem 1rem; overflow-x: auto }
  a { color: var(--link) }
</style>
<main>
<h1>Profiles of ${name} ${version}</h1>
<p>Each link takes one profile of this process, a pprof file with the names, files and lines of the TypeScript sources.
The process takes samples only while a profile runs, so profiling costs nothing at other times.
One profile of each kind runs at a time, and a few wait for their turn. It ends when its client goes away.</p>
<dl>
<dt><a href="profile?seconds=30">profile?seconds=30</a> (1 to 600)
<dd>The functions that the JavaScript thread runs, sampled 100 times a second; waiting is left out.
<dt><a href="heap?seconds=10">heap?seconds=10</a> (1 to 3600)
<dd>Memory of the JavaScript heap, a sample every 512 KiB.
<code>alloc_objects</code> and <code>alloc_space</code>: everything allocated in the <em>first half</em> of the time, at most 30 s.
<code>inuse_objects</code> and <code>inuse_space</code>: what is allocated in the <em>rest</em> of the time and still in use at its end.
Both leave out older objects, and the bytes of buffers. The profile ends with one full garbage collection.
</dl>
<h2>Figures</h2>
<dl>
<dt><a href="../allocations?seconds=10">allocations?seconds=10</a> (1 to 3600)
<dd>The bytes that the process allocates in that time, on the heap and outside of it, and its pauses for garbage collection. Counted, not sampled.
<dt><a href="../ledger">ledger</a>
<dd>What became of the samples, in a process that receives samples.
<dt><a href="../figures">figures</a>
<dd>The same with CPU time, memory, and all latencies and pauses since the start as histograms.
</dl>
<h2>View a profile</h2>
<pre>
go tool pprof -http=: '${base}/profile?seconds=30'
go tool pprof -top '${base}/heap'
go tool pprof -top -alloc_space '${base}/heap?seconds=60'
</pre>
<p>Without Go, <a href="https://www.speedscope.app">speedscope</a> opens the files as they are:</p>
<pre>
curl -o cpu.pb.gz '${base}/profile?seconds=30'
npx speedscope cpu.pb.gz
</pre>
<h2>Compare</h2>
<p>Two heap profiles of the same length, before and after a change of the load, the settings or the program:</p>
<pre>
curl -o before.pb.gz '${base}/heap?seconds=60'
curl -o after.pb.gz '${base}/heap?seconds=60'
go tool pprof -top -alloc_space -base=before.pb.gz after.pb.gz
</pre>
<p>A leak shows in <code>inuse_space</code> of one long profile: <code>heap?seconds=600</code>.
Each profile says what it covers: <code>go tool pprof -comments cpu.pb.gz</code></p>
</main>
</html>
`
}
