export const colourNames = [
  ...(['text', 'muted', 'surface', 'area', 'line', 'edge', 'accent'] as const),
  ...(['good', 'warn', 'slow', 'bad', 'idle'] as const),
] as const
/** Of the style sheet, as a canvas takes them. */
export type Colours = { readonly [Name in (typeof colourNames)[number]]: string }
