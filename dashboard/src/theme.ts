export type Theme = 'system' | 'light' | 'dark'

const place = 'sealway-theme'
export const themes: readonly Theme[] = ['system', 'light', 'dark']

/** What was chosen in this browser, or what the system says. */
export function readTheme(): Theme {
  try {
    const stored = localStorage.getItem(place)
    return themes.find((theme) => theme === stored) ?? 'system'
  } catch {
    // Storage can be forbidden; the choice then holds for this tab.
    return 'system'
  }
}

export function setTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  try {
    localStorage.setItem(place, theme)
  } catch {
    // As above.
  }
  document.dispatchEvent(new Event('themechange'))
}

/** Calls back whenever colours may have changed. @returns stops it */
export function onThemeChange(listener: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)')
  system.addEventListener('change', listener)
  document.addEventListener('themechange', listener)
  return () => {
    system.removeEventListener('change', listener)
    document.removeEventListener('themechange', listener)
  }
}

/** Colours of the style sheet as a canvas takes them: variables such as `--accent`, resolved. */
export function readColours<Name extends string>(names: readonly Name[]): { readonly [Key in Name]: string } {
  const probe = document.createElement('span')
  document.body.append(probe)
  const colours = names.map((name) => {
    probe.style.color = `var(--${name})`
    return [name, getComputedStyle(probe).color]
  })
  probe.remove()
  return Object.fromEntries(colours) as { [Key in Name]: string }
}
