// The scenarios, each in a file of its own.
#pragma once

namespace ingot::simulator {

struct World;

void run_log_scenario(World& world);
void run_engine_scenario(World& world);
void run_engine_bucket_scenario(World& world);
void run_bucket_log_scenario(World& world);

}  // namespace ingot::simulator
