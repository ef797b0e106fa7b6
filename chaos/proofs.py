"""Which tests show that a failure mode does no harm, or only the harm that its page admits.

A few for each, the ones to read first; more name it in their docstrings. A mode without an entry has no test yet.
"""

from __future__ import annotations

from holdfast.chaos.proofs_in_use import IN_USE

PROOFS: dict[str, tuple[str, ...]] = {
    "FM-001": (
        "tests/moves/test_reclaim.py::test_a_dead_workers_job_comes_back",
        "tests/workers/test_deaths.py::test_the_job_of_a_dead_worker_is_claimable_within_the_bound",
        "tests/workers/test_under_fire.py::test_a_few_kills_cost_no_job",
        "tests/chaos/test_sweep.py::test_a_job_ends_well_wherever_its_worker_is_hurt",
    ),
    "FM-002": (
        "tests/chaos/test_sweep.py::test_a_job_ends_well_wherever_its_worker_is_hurt",
        "tests/chaos/test_sweep.py::test_a_claim_in_two_steps_is_found_to_lose_jobs",
        "tests/workers/test_turns.py::test_a_horse_dies_at_its_turn",
        "tests/workers/test_looks.py::test_a_horse_dies_at_its_look",
        "tests/moves/test_effect_moves.py::test_an_attempt_that_died_in_between_leaves_doubt",
    ),
    "FM-003": (
        "tests/workers/test_deaths.py::test_a_killed_horse_is_noticed_at_once_and_its_job_is_run_again",
        "tests/workers/test_deaths.py::test_a_job_that_takes_its_horse_down_is_tried_again",
        "tests/workers/test_horses_die.py::test_horses_are_killed_again_and_again",
        "tests/moves/test_crash.py::test_a_crash_is_not_a_failure",
        "tests/workers/test_aftermath.py::test_a_job_whose_horse_died_once_too_often_gets_its_callback_and_handlers",
    ),
    "FM-004": (
        "tests/workers/test_deaths.py::test_a_horse_does_not_outlive_its_parent",
        "tests/workers/test_deaths.py::test_what_a_crashed_job_started_is_ended_with_it",
        "tests/workers/test_horse_signals.py::test_a_horse_whose_parent_died_before_the_kernel_was_asked_to_watch_it_runs_nothing",
    ),
    "FM-005": (
        "tests/moves/test_enqueue.py::test_an_enqueue_sent_twice_is_one",
        "tests/moves/test_enqueue.py::test_a_key_keeps_a_second_job_out_for_its_horizon",
        "tests/moves/test_enqueue.py::test_a_unique_id_that_exists_is_refused",
        "tests/jobs/test_queue.py::test_an_enqueue_that_is_never_answered_says_that_it_may_be_in_line",
    ),
    "FM-006": (
        "tests/recovery/test_reaper.py::test_a_reaper_that_dies_in_its_turn_delays_the_next_by_one_interval_only",
        "tests/recovery/test_reaper.py::test_of_many_reapers_one_does_the_work_of_an_interval",
        "tests/recovery/test_reaper.py::test_an_outage_in_the_middle_of_its_work_ends_its_turn",
        "tests/recovery/test_promoter.py::test_a_thousand_due_jobs_hold_the_server_only_briefly_at_a_time",
    ),
    "FM-007": (
        "tests/jobs/test_connections.py::test_an_operation_is_sent_until_it_is_answered",
        "tests/jobs/test_connections.py::test_waits_double_up_to_two_seconds_and_are_never_alike",
        "tests/jobs/test_connections.py::test_a_courier_gives_up_when_its_time_has_come",
        "tests/chaos/test_sweep.py::test_a_job_ends_well_wherever_its_worker_is_hurt",
        "tests/workers/test_tending.py::test_a_renewal_that_nobody_answers_is_tried_again_soon",
    ),
    "FM-008": (
        "tests/moves/test_claim_again.py::test_a_claim_sent_twice_gets_the_same_job",
        "tests/moves/test_stale.py::test_a_settle_sent_twice_gets_its_first_answer_and_changes_nothing",
        "tests/jobs/test_queue.py::test_an_enqueue_whose_reply_is_lost_is_one_enqueue",
        "tests/workers/test_redis_refuses.py::test_lost_replies_run_nothing_twice",
        "tests/moves/test_claim_again.py::test_a_worker_that_never_heard_what_it_was_given_gives_it_back_by_asking_anew",
        "tests/moves/test_claim_again.py::test_a_claim_sent_twice_is_lost_once_its_lease_is_gone",
        "tests/moves/test_enqueue.py::test_an_enqueue_sent_twice_does_not_run_a_finished_job_again",
        "tests/workers/test_tending.py::test_a_claim_that_nobody_answers_is_asked_anew_when_its_lease_would_be_half_over",
    ),
    "FM-009": (
        "tests/jobs/test_connections.py::test_a_user_whose_client_retries_does_not_make_ours_retry",
        "tests/moves/test_enqueue.py::test_a_unique_enqueue_sent_twice_is_not_refused",
        "tests/workers/test_redis_refuses.py::test_lost_replies_run_nothing_twice",
    ),
    "FM-010": (
        "tests/moves/test_claim_again.py::test_a_claim_that_arrives_after_its_sender_moved_on_gets_nothing",
        "tests/moves/test_stale.py::test_a_settle_that_arrives_after_its_sender_moved_on_is_refused",
        "tests/moves/test_enqueue.py::test_an_enqueue_sent_twice_does_not_run_a_finished_job_again",
        "tests/moves/test_overtaken.py::test_an_enqueue_that_newer_ones_have_overtaken_does_not_take_their_place",
        "tests/workers/test_redis_away.py::test_a_job_that_ends_in_a_partition_is_not_finished_twice",
    ),
    "FM-011": (
        "tests/workers/test_goodbyes.py::test_a_storm_of_signals_tears_no_reply_in_two",
        "tests/workers/test_goodbyes.py::test_a_supervisor_that_signals_every_process_does_not_crash_the_job",
        "tests/workers/test_in_a_job.py::test_a_job_that_talks_to_redis_gets_its_own_answers",
    ),
    "FM-012": (
        "tests/moves/test_stale.py::test_a_stale_holder_is_refused_and_changes_nothing",
        "tests/workers/test_sleepers.py::test_a_machine_that_froze_whole_changes_nothing_when_it_wakes",
        "tests/workers/test_sleepers.py::test_a_parent_that_wakes_beside_its_dead_horse_goes_on_with_other_work",
        "tests/workers/test_called.py::test_who_sleeps_past_the_lease_of_what_it_was_called_for_runs_nothing",
        "tests/workers/test_called.py::test_what_may_run_at_most_once_is_not_given_to_who_is_called",
        "tests/jobs/test_effects.py::test_a_lost_lease_ends_the_body_before_it_acts",
        "tests/jobs/test_effects.py::test_an_effect_that_began_after_the_stop_by_moment_is_not_made",
        "tests/workers/test_attempt.py::test_a_callback_of_a_job_that_is_no_longer_ours_is_not_called",
    ),
    "FM-013": (
        "tests/jobs/test_doubts.py::test_a_lease_lost_in_the_body_leaves_doubt_for_the_next",
        "tests/jobs/test_doubts.py::test_a_death_half_way_stops_the_job_and_says_in_doubt",
        "tests/moves/test_effect_moves.py::test_an_attempt_that_died_in_between_leaves_doubt",
    ),
    "FM-014": (
        "tests/workers/test_failures.py::test_a_job_that_hangs_is_ended_by_its_timeout",
        "tests/workers/test_failures.py::test_a_job_that_does_not_heed_its_timeout_is_killed",
        "tests/workers/test_failures.py::test_a_killed_timeout_counts_as_a_failure_with_its_retries",
        "tests/workers/test_in_a_job.py::test_a_paused_horse_keeps_its_job_until_its_timeout",
    ),
    "FM-015": (
        "tests/workers/test_sleepers.py::test_a_horse_beyond_the_reach_of_its_guard_is_refused_by_the_fence",
        "tests/workers/test_deaths.py::test_under_a_short_lease_no_living_worker_is_robbed",
    ),
    "FM-016": (
        "tests/chaos/test_processes_servers.py::test_only_the_wall_clock_is",
        "tests/chaos/test_processes_servers.py::test_a_worker_with_a_wrong_clock_works_like_any_other",
    ),
    "FM-017": (
        "tests/moves/test_reclaim.py::test_after_a_late_pass_holders_get_a_heartbeat_first",
        "tests/moves/test_reclaim.py::test_a_lease_is_not_taken_before_its_deadline",
    ),
    "FM-018": (
        "tests/moves/test_generations.py::test_a_fence_is_above_the_last_though_the_servers_clock_went_back",
        "tests/workers/test_turns.py::test_a_parent_gives_no_job_a_lower_fence_than_its_horse_was_given",
        "tests/moves/test_reclaim.py::test_a_servers_clock_that_went_back_prolongs_no_heartbeat",
        "tests/moves/test_reclaim.py::test_a_turn_that_lies_further_ahead_than_its_interval_keeps_nobody_waiting",
    ),
    "FM-019": (
        "tests/moves/test_generations.py::test_a_fence_is_above_all_its_worker_ever_saw",
        "tests/moves/test_claim_again.py::test_what_a_worker_has_heard_of_does_not_go_back_by_asking_anew",
        "tests/workers/test_redis_away.py::test_what_a_producer_was_promised_survives_a_kill_of_the_server",
        "tests/workers/test_redis_away.py::test_after_an_outage_longer_than_the_lease_nobody_is_charged",
        "tests/workers/test_redis_away.py::test_holders_that_lived_through_an_outage_keep_their_jobs",
        "tests/chaos/test_processes_judge.py::test_what_a_server_forgot_is_told_apart_from_what_was_lost",
        "tests/moves/test_reclaim.py::test_an_outage_is_nobodys_crash_once",
        "tests/workers/test_tending.py::test_a_claim_that_nobody_answers_is_asked_anew_when_its_lease_would_be_half_over",
    ),
    "FM-020": (
        "tests/jobs/test_connections.py::test_our_connections_follow_the_users_sentinels",
        "tests/chaos/test_processes_servers.py::test_a_replica_behind_a_cut_link_forgets_only_what_it_had_not_heard",
    ),
    "FM-021": ("tests/chaos/test_processes_servers.py::test_of_two_primaries_the_older_ones_work_is_forgotten",),
    "FM-022": (
        "tests/jobs/test_connections.py::test_an_error_that_says_not_now_is_passing",
        "tests/jobs/test_connections.py::test_each_failure_makes_the_next_sending_connect_anew",
        "tests/jobs/test_refusals.py::test_redis_6_2_says_not_now_of_a_script_by_other_words",
        "tests/workers/test_redis_refuses.py::test_a_job_that_ends_while_writes_are_refused_is_settled_when_they_are_not",
        "tests/chaos/test_processes_servers.py::test_a_replica_that_has_heard_everything_loses_nothing",
        "tests/console/test_keeper.py::test_it_follows_a_failover_behind_one_address",
        "tests/jobs/test_spare_lines.py::test_after_a_failover_every_line_is_made_anew",
    ),
    "FM-023": (
        "tests/jobs/test_connections.py::test_an_error_that_says_not_now_is_passing",
        "tests/workers/test_redis_refuses.py::test_a_server_held_by_someones_script_costs_no_job",
        "tests/workers/test_bad_input.py::test_a_worker_that_is_asked_to_stop_while_redis_loads_stops",
        "tests/workers/test_redis_away.py::test_an_idle_worker_outlives_its_server_without_a_busy_loop",
    ),
    "FM-024": (
        "tests/jobs/test_connections.py::test_an_error_that_says_not_now_is_passing",
        "tests/workers/test_redis_refuses.py::test_a_full_redis_still_takes_the_end_of_a_job",
        "tests/workers/test_redis_refuses.py::test_an_idle_worker_takes_a_dead_ones_job_back_on_a_full_redis",
        "tests/workers/test_redis_refuses.py::test_a_job_that_ends_while_writes_are_refused_is_settled_when_they_are_not",
    ),
    "FM-025": (
        "tests/workers/test_bad_input.py::test_a_worker_that_starts_while_redis_says_not_now_waits_and_begins",
        "tests/workers/test_bad_input.py::test_a_worker_that_cannot_register_yet_heeds_a_signal",
        "tests/jobs/test_connections.py::test_an_error_that_says_not_now_is_passing",
        "tests/workers/test_redis_refuses.py::test_a_job_that_ends_while_writes_are_refused_is_settled_when_they_are_not",
        "tests/chaos/test_processes_servers.py::test_workers_wait_until_there_is_room_and_lose_nothing",
        "tests/chaos/test_processes_servers.py::test_a_server_that_has_rewritten_its_log_before_comes_back_after_it",
    ),
    "FM-026": (
        "tests/workers/test_bad_input.py::test_a_server_that_evicts_keys_in_use_is_refused",
        "tests/workers/test_bad_input.py::test_a_server_that_evicts_what_has_an_expiry_is_warned_of_once",
        "tests/moves/test_eviction.py::test_a_holder_whose_record_was_evicted_is_told_lost_and_brings_no_half_of_it_back",
        "tests/moves/test_eviction.py::test_a_lease_whose_record_was_evicted_is_removed_and_not_run_again",
        "tests/moves/test_eviction.py::test_with_the_set_of_leases_evicted_no_holder_may_change_its_job",
        "tests/moves/test_eviction.py::test_an_evicted_line_leaves_records_that_nobody_runs_until_they_are_enqueued_again",
        "tests/moves/test_eviction.py::test_a_settle_sent_twice_is_not_done_twice_although_its_answer_was_evicted",
    ),
    "FM-027": (
        "tests/moves/test_claim.py::test_the_ttl_of_a_queued_job_ends_when_it_is_claimed",
        "tests/moves/test_claim.py::test_a_ghost_in_line_is_noted_and_passed_over",
        "tests/moves/test_claim.py::test_those_claimed_beside_what_is_no_record_are_in_hand",
        "tests/recovery/test_promoter.py::test_a_scheduled_id_without_a_job_is_dropped_with_a_note",
        "tests/workers/test_plain_path.py::test_a_heap_of_expired_jobs_does_not_hide_the_one_behind_it",
    ),
    "FM-028": (
        "tests/moves/test_effect_moves.py::test_a_mark_is_there_however_long_the_next_attempt_takes_to_come",
        "tests/moves/test_effect_moves.py::test_what_took_place_is_told_to_the_next_attempt",
        "tests/moves/test_generations.py::test_a_requeue_by_a_person_gives_both_budgets_back",
        "tests/moves/test_claim.py::test_what_a_stock_producer_writes_over_an_id_that_was_kept_for_a_while_does_not_expire_at_work",
    ),
    "FM-029": (
        "tests/workers/test_stock_tools.py::test_a_job_deleted_while_it_runs_is_not_brought_back",
        "tests/workers/test_redis_away.py::test_a_job_whose_record_was_flushed_away_is_given_up_and_not_brought_back",
        "tests/workers/test_in_a_job.py::test_a_redis_that_was_emptied_knows_its_workers_again_soon",
    ),
    "FM-030": (
        "tests/workers/test_redis_refuses.py::test_forgotten_scripts_are_taught_again",
        "tests/jobs/test_queue.py::test_a_server_that_forgot_our_scripts_is_taught_again",
    ),
    "FM-031": (
        "tests/recovery/test_reaper.py::test_a_thousand_dead_leases_hold_the_server_only_briefly_at_a_time",
        "tests/recovery/test_promoter.py::test_a_thousand_due_jobs_hold_the_server_only_briefly_at_a_time",
        "tests/moves/test_claim.py::test_a_line_full_of_dirt_takes_some_claims_to_clear",
    ),
} | IN_USE
