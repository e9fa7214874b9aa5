package report

import (
	"cmp"
	"slices"

	"kanshiki/forensics/event"
	"kanshiki/forensics/trace"
)

// weight says which claims stand in the answer's card and on the terminal; the
// story has them all. What is not here is a detail.
var weight = map[string]int{
	"ran": 1, "starts-all": 2, "starts": 3, "set-starts-all": 3, "set-start": 4, "packed": 2, "packed-by": 3, "mail-received": 4, "detected": 5, "wrote": 5,
	"sent-bytes": 1, "sent-own": 1, "conflict": 1, "left": 2, "too-few": 2, "credentials": 3, "connected-maybe": 4, "device": 5,
	"no-volume": 1, "volume-not-kept": 1, "outside-proxy": 1, "cleared-span": 2, "overwritten": 3, "proxy-after": 3, "no-starts": 4, "emptied": 4, "no-memory": 5, "unread": 6,
}

// perAnswer is how many claims a card holds.
const perAnswer = 6

// Headlines takes the weightiest claims of an answer, one of each kind about one
// thing, in the order of time; more is how many further claims the answer has.
func Headlines(claims []*trace.Claim, a trace.Answer) (shown []*trace.Claim, more int) {
	seen, total := map[string]bool{}, 0
	together := map[string]bool{}
	for _, c := range claims {
		if c.Rule == "starts-all" || c.Rule == "set-starts-all" {
			together[c.Rule+" "+object(c)] = true
		}
	}
	for _, c := range claims {
		if c.Answer != a {
			continue
		}
		total++
		k := c.Rule + " " + object(c)
		switch {
		case weight[c.Rule] == 0, (c.Rule == "ran" || c.Rule == "packed" || c.Rule == "no-starts") && seen[k], c.Rule == "starts" && together["starts-all "+object(c)], c.Rule == "set-start" && len(together) > 0:
			continue
		}
		seen[k] = true
		shown = append(shown, c)
	}
	slices.SortStableFunc(shown, func(x, y *trace.Claim) int {
		return cmp.Or(cmp.Compare(weight[x.Rule], weight[y.Rule]), cmp.Compare(y.Grade, x.Grade))
	})
	shown = shown[:min(len(shown), perAnswer)]
	slices.SortStableFunc(shown, func(x, y *trace.Claim) int { return cmp.Compare(timeOrLast(event.Ticks(x.From)), timeOrLast(y.From)) })
	return shown, total - len(shown)
}

// object is what a claim is about, for telling claims of one kind apart.
func object(c *trace.Claim) string {
	for _, e := range c.Entities {
		if e.Role == "object" && e.Kind != "document" {
			return e.Path + e.Name
		}
	}
	return ""
}
