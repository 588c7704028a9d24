# One binary per tests/test_NAME.c (cmocka, one group each), one ctest entry per tests/cli/*.bats.
# A test's labels come from a line "labels: unit engine" in its head comment; the default is unit.
# A line "stores: both" runs the test a second time as NAME_wiredtiger, with
# RACEBENCH_TEST_STORE=wiredtiger in the environment.
# A line "runs: program" in the head makes the test depend on the racebench binary, whose path it
# finds in the environment variable RACEBENCH_BINARY.
# A test whose head says "needs: wiredtiger" is left out of a build without it.

# racebench-uncommitted: the same program over a store that reads what is committed and lets two
# transactions write one row, and does not look at its start: the kill test must catch it.
if(WIREDTIGER_FOUND)
  add_executable(racebench-uncommitted ${CMAKE_SOURCE_DIR}/harness/main.c
    ${CMAKE_SOURCE_DIR}/harness/engine/store_wiredtiger.c)
  target_compile_definitions(racebench-uncommitted PRIVATE
    STORE_ISOLATION="read-committed" STORE_ISOLATION_PROOF=false)
  target_include_directories(racebench-uncommitted PRIVATE ${CMAKE_SOURCE_DIR}/harness/engine)
  target_link_libraries(racebench-uncommitted PRIVATE harness)
endif()

file(GLOB TESTS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/test_*.c)
foreach(file IN LISTS TESTS)
  get_filename_component(name ${file} NAME_WE)
  file(STRINGS ${file} needs LIMIT_COUNT 20 REGEX "needs: wiredtiger")
  if(needs AND NOT WIREDTIGER_FOUND)
    continue()
  endif()
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE harness cmocka)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  file(STRINGS ${file} head LIMIT_COUNT 20 REGEX "labels: ")
  set(labels unit)
  if(head MATCHES "labels: ([a-z ]+)")
    string(STRIP "${CMAKE_MATCH_1}" labels)
    string(REPLACE " " ";" labels "${labels}")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT 600
    ENVIRONMENT "RACEBENCH_BINARY=$<TARGET_FILE:racebench>;RACEBENCH_SOURCE=${CMAKE_SOURCE_DIR};MONGOC_DISABLE_SHM=1")
  if(name STREQUAL "test_durability")
    set(programs "RACEBENCH_BINARY=$<TARGET_FILE:racebench>")
    list(APPEND programs "RACEBENCH_UNCOMMITTED=$<TARGET_FILE:racebench-uncommitted>")
    list(APPEND programs "MONGOC_DISABLE_SHM=1")
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "${programs}")
    add_test(NAME test_durability_100_kills COMMAND ${name})
    set_tests_properties(test_durability_100_kills PROPERTIES LABELS "long;engine" TIMEOUT 1800
      ENVIRONMENT "${programs};RACEBENCH_KILLS=100")
  endif()
  if(name STREQUAL "test_matrix_stores")
    add_test(NAME test_matrix_stores_all COMMAND ${name})
    set_tests_properties(test_matrix_stores_all PROPERTIES LABELS "long;engine" TIMEOUT 3600
      ENVIRONMENT "RACEBENCH_CELLS=all;MONGOC_DISABLE_SHM=1")
  endif()
  file(STRINGS ${file} both LIMIT_COUNT 20 REGEX "stores: both")
  if(both AND WIREDTIGER_FOUND)
    add_test(NAME ${name}_wiredtiger COMMAND ${name})
    set_tests_properties(${name}_wiredtiger PROPERTIES LABELS "${labels}" TIMEOUT 600
      ENVIRONMENT "RACEBENCH_TEST_STORE=wiredtiger;MONGOC_DISABLE_SHM=1")
  endif()
endforeach()

# Delays threads at random, for tests that preload it into the program. The flags of programs are
# not a library's, and a sanitizer wants to be loaded first.
if(NOT SANITIZE)
  add_library(jitter MODULE ${CMAKE_SOURCE_DIR}/tests/jitter.c)
  target_compile_options(jitter PRIVATE -Wall -Wextra)
  target_compile_definitions(jitter PRIVATE _GNU_SOURCE)
  target_link_libraries(jitter PRIVATE ${CMAKE_DL_LIBS})
endif()

find_program(BATS bats)
if(BATS)
  file(GLOB CLI CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/cli/*.bats)
  foreach(file IN LISTS CLI)
    get_filename_component(name ${file} NAME_WE)
    add_test(NAME cli_${name} COMMAND ${BATS} ${file})
    file(STRINGS ${file} head LIMIT_COUNT 20 REGEX "labels: ")
    set(labels cli)
    if(head MATCHES "labels: ([a-z ]+)")
      string(STRIP "${CMAKE_MATCH_1}" labels)
      string(REPLACE " " ";" labels "${labels}")
    endif()
    set_tests_properties(cli_${name} PROPERTIES LABELS "${labels}" TIMEOUT 900
      ENVIRONMENT "RACEBENCH_BINARY=$<TARGET_FILE:racebench>;RACEBENCH_SOURCE=${CMAKE_SOURCE_DIR};MONGOC_DISABLE_SHM=1")
  endforeach()
endif()

# Programs that nobody here wrote, against `racebench serve`; they are fetched when they are run.
foreach(client IN ITEMS driver mongoose9 mongoose6 python)
  add_test(NAME clients_${client} COMMAND ${CMAKE_SOURCE_DIR}/scripts/clients ${client})
  set_tests_properties(clients_${client} PROPERTIES LABELS clients TIMEOUT 600
    ENVIRONMENT "RACEBENCH_BINARY=$<TARGET_FILE:racebench>")
endforeach()
add_test(NAME clients_libmongoc
  COMMAND ${CMAKE_SOURCE_DIR}/scripts/conformance --out ${CMAKE_BINARY_DIR}/conformance.md)
set_tests_properties(clients_libmongoc PROPERTIES LABELS clients TIMEOUT 1800
  ENVIRONMENT "RACEBENCH_BINARY=$<TARGET_FILE:racebench>")
