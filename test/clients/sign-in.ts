/** Acts as the person on the sign-in pages, for clients that run as separate programs. */

/** Follows an authorization URL like a browser, enters the key, approves, and follows the redirect. */
export async function signInAt (url: string, key: string): Promise<void> {
  let response = await fetch(url, { redirect: 'manual' })
  const cookie = (response.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? ''
  for (const action of ['continue', 'approve']) {
    const [, handle = ''] = /name="handle" value="([^"]*)"/.exec(await response.text()) ?? []
    const body = new URLSearchParams({ handle, action, key })
    response = await fetch(new URL(new URL(url).pathname, url), {
      method: 'POST',
      body,
      headers: { cookie },
      redirect: 'manual'
    })
  }
  const location = response.headers.get('location')
  if (location === null) throw new Error(`the sign-in ended with ${response.status}`)
  // Retries, because the client may open its callback only now.
  for (let tries = 0; ; tries++) {
    const answer = await fetch(location).catch((error: unknown) => {
      if (tries > 50) throw error
    })
    if (answer !== undefined) return await answer.text().then(() => {})
    await new Promise(resolve => setTimeout(resolve, 200))
  }
}
