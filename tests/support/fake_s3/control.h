// The other way to the fake S3 server: unsigned requests for /_fake/…, for whoever has it as a program. Texts, a line a
// thing; parameters are in the query. 400 says what is wrong.
//
//   POST /_fake/fault?fault=lost&verb=put&key_prefix=log/&count=2&skip=1&delay=MS&held=1&retry_after=SECONDS
//   POST /_fake/clear                        the faults that are still to come
//   POST /_fake/release                      the requests that are held
//   POST /_fake/latency?fixed=MS&jitter=MS&tail=1
//   POST /_fake/clock?offset=SECONDS
//   POST /_fake/skews?seconds=0,-2,3
//   POST /_fake/expire?access_key=KEY
//   POST /_fake/profile?name=ceph
//   POST /_fake/outage?kind=none|silent|refused&lasts=MS    refused must say how long; these requests go on if silent
//   POST /_fake/hang-up                      all connections
//   GET  /_fake/counts                       "put 200 17", 0 for those not answered; "connections 3"
//   GET  /_fake/log?lines=30
//   GET  /_fake/keys?bucket=NAME
#pragma once

#include "support/fake_s3/http.h"
#include "support/fake_s3/machine.h"

namespace ingot::fake_s3 {

bool is_control(const Request& request);
Response handle_control(const Request& request, Machine& machine);

}  // namespace ingot::fake_s3
