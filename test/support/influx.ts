/** Queries an InfluxDB (any version) in InfluxQL. @returns the rows of the first statement as objects, with tags */
export async function influxQuery(
  url: string,
  database: string,
  query: string,
  token?: string,
): Promise<Array<Record<string, unknown>>> {
  const headers = new Headers(token === undefined ? {} : { authorization: `Token ${token}` })
  const parameters = new URLSearchParams({ db: database, q: query, epoch: 'u' })
  const response = await fetch(`${url}/query?${parameters}`, { headers })
  const body = (await response.json()) as {
    error?: string
    results?: Array<{
      error?: string
      series?: Array<{ name: string; tags?: Record<string, string>; columns: string[]; values?: unknown[][] }>
    }>
  }
  const failure = body.error ?? body.results?.[0]?.error
  if (failure !== undefined) throw new Error(`${query}: ${failure}`)
  return (body.results?.[0]?.series ?? []).flatMap(({ name, tags, columns, values }) =>
    (values ?? []).map((row) => ({
      measurement: name,
      ...tags,
      ...Object.fromEntries(columns.map((c, i) => [c, row[i]])),
    })),
  )
}

/** The number of points of a field; 0 if there is no database yet. */
export async function influxCount(url: string, database: string, measurement: string, field: string): Promise<number> {
  const databases = await influxQuery(url, database, 'SHOW DATABASES')
  // The server creates the database with its first write.
  if (!databases.some(({ name }) => name === database)) return 0
  const [row] = await influxQuery(url, database, `SELECT count("${field}") FROM "${measurement}"`)
  return Number(row?.count ?? 0)
}
