/** The audience that a token must name, where a key set does not say another (WIRE §6). */
export const audience = "busbar";
