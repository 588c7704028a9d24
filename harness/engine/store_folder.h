/* SPDX-License-Identifier: Apache-2.0
 *
 * store_folder: the folder of a store that keeps its rows on disk. It is made when it is not there,
 * and a file says that it is racebench's and in which format: whatever else is in a folder is never
 * touched, and a format that this program does not know is never opened.
 */
#ifndef RACEBENCH_ENGINE_STORE_FOLDER_H
#define RACEBENCH_ENGINE_STORE_FOLDER_H

/* Makes `path` a folder for a store, or sees that it is one. Ends with EXIT_TARGET when it cannot
 * be made or entered, holds something else, or was written in another format. */
void store_folder_claim(const char *path);

#endif
