// What a strict validator takes for each format, written without the rules that derive them.

/** A date of the calendar as `YYYY-MM-DD`. */
function isDate(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 10) === text;
}

function isTime(text: string): boolean {
  return isMoment(`2000-01-01T${text}`);
}

function isMoment(text: string): boolean {
  return (
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) &&
    isDate(text.slice(0, 10)) &&
    !Number.isNaN(Date.parse(text))
  );
}

function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => String(Number(part)) === part && Number(part) < 256);
}

function isUri(text: string): boolean {
  return URL.canParse(text) && !/[\s"<>\\^`{|}]/.test(text);
}

export const FORMAT_CHECKS: Record<string, (text: string) => boolean> = {
  date: isDate,
  time: isTime,
  'date-time': isMoment,
  uuid: (text) => /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i.test(text),
  ipv4: isIpv4,
  // RFC 5321's limits, and the pattern that HTML gives for `input type=email`.
  email: (text) =>
    text.length <= 254 &&
    /^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+$/.test(
      text,
    ),
  uri: isUri,
};
