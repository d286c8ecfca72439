// Copyright The otelcol-carbon Authors
// SPDX-License-Identifier: Apache-2.0

package fakegrid

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// entsoe has the actual generation per type: document A75, process A16.
var entsoe = service{
	mixed:      true,
	others:     []string{"10YFR-RTE------C", "10Y1001A1001A83F"},
	answer:     (*query).entsoe,
	refuse:     entsoeRefusal,
	credential: func(q *query) string { return q.Get("securityToken") },
	denied: func(string) reply {
		return entsoeAcknowledgement(http.StatusUnauthorized, "Unauthorized. Missing or invalid security token.")
	},
}

const (
	entsoeRequestTime = "200601021504"
	entsoeTime        = "2006-01-02T15:04Z"
	entsoeLongest     = 366 * 24 * time.Hour
)

// SetCurve makes ENTSO-E use a curve type: "A03" (from the start), where a position that is left out repeats the
// value before it, or "A01", where it is missing. Both leave out what they can.
func (s *Server) SetCurve(curve string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.curve = curve
}

// entsoeRefusal is in XML where the platform itself refuses, in text or HTML where what is before it does.
func entsoeRefusal(status int, message string) reply {
	switch {
	case status == http.StatusTooManyRequests:
		return reply{status: status, kind: "text/plain", body: []byte("Max allowed requests per minute from each unique IP is max up to 400 only")}
	case status >= http.StatusInternalServerError:
		return reply{status: status, kind: "text/html", body: fmt.Appendf(nil, "<html><body><h1>%d %s</h1></body></html>", status, message)}
	}
	return entsoeAcknowledgement(status, message)
}

type entsoeAck struct {
	XMLName xml.Name `xml:"urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0 Acknowledgement_MarketDocument"`
	ID      string   `xml:"mRID"`
	Code    string   `xml:"Reason>code"`
	Text    string   `xml:"Reason>text"`
}

// entsoeAcknowledgement has the reason 999, whatever is wrong.
func entsoeAcknowledgement(status int, text string) reply {
	return entsoeDocument(status, entsoeAck{ID: "fake", Code: "999", Text: text})
}

func entsoeDocument(status int, document any) reply {
	var body bytes.Buffer
	body.WriteString(xml.Header)
	if err := xml.NewEncoder(&body).Encode(document); err != nil {
		return reply{status: http.StatusInternalServerError, body: []byte(err.Error())}
	}
	return reply{status: status, kind: "text/xml", body: body.Bytes()}
}

type entsoeGL struct {
	XMLName xml.Name       `xml:"urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0 GL_MarketDocument"`
	ID      string         `xml:"mRID"`
	Type    string         `xml:"type"`
	Process string         `xml:"process.processType"`
	Series  []entsoeSeries `xml:"TimeSeries"`
}

type entsoeSeries struct {
	ID         int          `xml:"mRID"`
	Business   string       `xml:"businessType"`
	Sequence   int          `xml:"classificationSequence_AttributeInstanceComponent.position,omitempty"`
	In         *entsoeArea  `xml:"inBiddingZone_Domain.mRID"`
	Out        *entsoeArea  `xml:"outBiddingZone_Domain.mRID"`
	Unit       string       `xml:"quantity_Measure_Unit.name"`
	Curve      string       `xml:"curveType"`
	Fuel       string       `xml:"MktPSRType>psrType"`
	Start      string       `xml:"Period>timeInterval>start"`
	End        string       `xml:"Period>timeInterval>end"`
	Resolution string       `xml:"Period>resolution"`
	Points     []*entsoePos `xml:"Period>Point"`
}

type entsoeArea struct {
	Scheme string `xml:"codingScheme,attr"`
	EIC    string `xml:",chardata"`
}

type entsoePos struct {
	Position int      `xml:"position"`
	Quantity *float64 `xml:"quantity"`
}

func (q *query) entsoe() reply {
	area := q.Get("in_Domain")
	from, err1 := time.Parse(entsoeRequestTime, q.Get("periodStart"))
	to, err2 := time.Parse(entsoeRequestTime, q.Get("periodEnd"))
	switch {
	case q.path != "/api":
		return entsoeRefusal(http.StatusServiceUnavailable, "Service Unavailable")
	case err1 != nil || err2 != nil || !from.Before(to) || to.Sub(from) > entsoeLongest || q.Get("documentType") != "A75" || q.Get("processType") != "A16" || area == "":
		return entsoeAcknowledgement(http.StatusBadRequest, "Invalid query attributes or parameters: "+q.Encode())
	}
	series := q.entsoeSeries(area, from, to)
	if len(series) == 0 { // with the status of success
		return entsoeAcknowledgement(http.StatusOK, fmt.Sprintf("No matching data found for Data item AGGREGATED_GENERATION_PER_TYPE_R3 [16.1.B&C] (%s) and interval %s/%s.",
			area, from.Format(milliseconds), to.Format(milliseconds)))
	}
	return entsoeDocument(http.StatusOK, entsoeGL{ID: "fake", Type: "A75", Process: "A16", Series: series})
}

// entsoeSeries are one for each fuel and direction, and another where the length of the intervals changes or, on
// A03, after a gap: it cannot be said otherwise.
func (q *query) entsoeSeries(area string, from, to time.Time) []entsoeSeries {
	mixes := q.mixes(area, 0, from, to)
	codes := map[string]bool{}
	for _, m := range mixes {
		for code := range m.MWh {
			codes[code] = true
		}
	}
	var all []entsoeSeries
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		var run []Mix
		flush := func() {
			if len(run) > 0 {
				all = append(all, q.entsoeRun(area, code, run))
			}
			run = nil
		}
		for _, m := range mixes {
			if _, ok := m.MWh[code]; !ok {
				continue
			}
			if n := len(run); n > 0 && (run[0].length() != m.length() || q.curve == "A03" && !run[n-1].End.Equal(m.Start)) {
				flush()
			}
			run = append(run, m)
		}
		flush()
	}
	if q.effects.duplicates {
		all = entsoeTwice(all)
	}
	if q.effects.unsorted {
		slices.Reverse(all)
	}
	for i := range all {
		all[i].ID = i + 1
	}
	return all
}

func (m Mix) length() time.Duration { return m.End.Sub(m.Start) }

// entsoeRun is a series of intervals of one length.
func (q *query) entsoeRun(area, code string, run []Mix) entsoeSeries {
	start, length := run[0].Start, run[0].length()
	fuel, out := strings.CutSuffix(code, "/out")
	s := entsoeSeries{
		Business: "A01", Unit: "MAW", Curve: q.curve, Fuel: fuel,
		Start: start.Format(entsoeTime), End: run[len(run)-1].End.Format(entsoeTime), Resolution: fmt.Sprintf("PT%dM", int(length.Minutes())),
	}
	if a := (&entsoeArea{"A01", q.zone(area)}); out {
		s.Out = a
	} else {
		s.In = a
	}
	last := -1.0
	for i, m := range run {
		p := &entsoePos{Position: int(m.Start.Sub(start)/length) + 1}
		megawatts := m.MWh[code] / length.Hours()
		if !q.effects.nulls {
			p.Quantity = &megawatts
		}
		if i == 0 || q.curve != "A03" || megawatts != last {
			s.Points = append(s.Points, p)
		}
		last = megawatts
	}
	return s
}

// entsoeTwice adds to each series one with a higher position in the classification, which must not count.
func entsoeTwice(all []entsoeSeries) []entsoeSeries {
	for _, s := range slices.Clone(all) {
		s.Sequence = 2
		s.Points = slices.Clone(s.Points)
		for i, p := range s.Points {
			if p.Quantity != nil {
				s.Points[i] = &entsoePos{p.Position, new(2 * *p.Quantity)}
			}
		}
		all = append(all, s)
	}
	for i := range all {
		all[i].Sequence = cmp.Or(all[i].Sequence, 1)
	}
	return all
}
