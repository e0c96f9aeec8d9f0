// The core workloads of YCSB (Cooper et al., SoCC 2010), with this benchmark's records.
#pragma once

#include "workloads.h"

namespace bench {

// kMix: 'A' to 'F'.
template <char kMix>
Measured ycsb(Stage& stage, const Workload& workload);

}  // namespace bench
