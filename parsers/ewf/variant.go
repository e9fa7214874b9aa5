package ewf

import "strings"

type variant string

// Variant names the writer as far as the sections tell it: several versions
// write the same layout.
func (r *Reader) Variant() string { return string(r.variant) }

func (a *scanned) variant() variant {
	has := func(kind string) bool { return a.kinds[kind] > 0 }
	ids := map[string]string{}
	for _, v := range append(a.header, a.header2...) {
		ids[v.ID] = v.Text
	}
	_, model := ids["md"]
	_, extents := ids["ext"]
	switch {
	case has("xheader") || has("xhash"):
		return "EWF-X"
	case a.vol.Smart:
		return "SMART"
	case a.vol.Short:
		return "EWF"
	case strings.HasPrefix(ids["av"], "ADI"):
		return "FTK Imager"
	case a.linen && model:
		return "linen 6 or 7"
	case a.linen:
		return "linen 5"
	case has("header2") && extents:
		return "EnCase 7"
	case has("header2") && model:
		return "EnCase 6 or 7"
	case has("header2"):
		return "EnCase 4 or 5"
	case !has("sectors"):
		return "EnCase 1"
	case a.crlf:
		return "EnCase 2 or 3"
	}
	return "FTK Imager"
}
