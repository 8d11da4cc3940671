/** What the product says its work was for, so that usage can be told apart. */
export interface Labels {
  member?: string
  feature?: string
  model?: string
}

/** The labels of whatever carries them, and nothing else of it. */
export function labelsOf({ member, feature, model }: Labels): Labels {
  return { member, feature, model }
}
